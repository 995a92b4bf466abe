// SPDX-License-Identifier: Apache-2.0
#include "tensors/generator_states.h"

#include <mutex>

namespace lockstep {

GeneratorStates::GeneratorStates(const torch::Device& device) {
  std::vector<torch::Device> devices{torch::kCPU};
  if (!device.is_cpu()) devices.push_back(device);
  for (const torch::Device& one : devices) {
    at::Generator generator = at::globalContext().defaultGenerator(one);
    const std::lock_guard lock(generator.mutex());
    states_.emplace_back(generator, generator.get_state());
  }
}

void GeneratorStates::restore() const {
  for (const auto& [of, state] : states_) {
    at::Generator generator = of;
    const std::lock_guard lock(generator.mutex());
    generator.set_state(state);
  }
}

}  // namespace lockstep
