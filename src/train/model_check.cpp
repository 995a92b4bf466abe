// SPDX-License-Identifier: Apache-2.0
#include "train/model_check.h"

#include <fmt/format.h>

#include <mutex>
#include <nlohmann/json.hpp>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

const char* const kMember = "model_check";

Digest bits_of(const torch::Tensor& tensor) {
  const torch::Tensor host = tensor.detach().cpu().contiguous();
  return digest_of(std::string_view(static_cast<const char*>(host.data_ptr()), host.nbytes()));
}

}  // namespace

MicroBatchBits::MicroBatchBits(const ModelArena& arena, const torch::Tensor& contribution) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor loss = contribution[arena.loss_offset()];
  loss_ = loss.item<double>();
  parts_.emplace_back("the loss", bits_of(loss));
  for (const ArenaEntry& entry : arena.trainable())
    parts_.emplace_back("the gradient of " + printable(entry.name),
                        bits_of(ModelArena::view(contribution, entry)));
  for (const ArenaEntry& entry : arena.buffers())
    parts_.emplace_back("the buffer " + printable(entry.name),
                        bits_of(ModelArena::view(contribution, entry)));
  for (const auto& [name, tensor] : arena.integer_buffers())
    parts_.emplace_back("the integer buffer " + printable(name), bits_of(tensor));
}

std::string MicroBatchBits::difference(const MicroBatchBits& again) const {
  constexpr int kNamed = 3;
  std::string text;
  int others = 0;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i].second == again.parts_[i].second) continue;
    if (++others > kNamed) continue;
    text += (text.empty() ? "" : ", ") + parts_[i].first;
    if (i == 0) text += fmt::format(" ({} then {})", loss_, again.loss_);
  }
  if (others > kNamed) text += fmt::format(" and {} more", others - kNamed);
  return text;
}

KeptGenerators::KeptGenerators(const ComputeDevice& compute) {
  std::vector<torch::Device> devices{torch::kCPU};
  if (!compute.device.is_cpu()) devices.push_back(compute.device);
  for (const torch::Device& device : devices) {
    at::Generator generator = at::globalContext().defaultGenerator(device);
    const std::lock_guard lock(generator.mutex());
    states_.emplace_back(generator, generator.get_state());
  }
}

KeptGenerators::~KeptGenerators() {
  for (auto& [generator, state] : states_) {
    const std::lock_guard lock(generator.mutex());
    generator.set_state(state);
  }
}

void refuse_model(Step step, int micro_batch, const std::string& what) {
  throw Fault(
      ExitCode::kConfig,
      fmt::format("step {}: the model is not a function of its parameters, buffers, samples and the default "
                  "generator: micro-batch {}, computed once more, {}",
                  step.value, micro_batch, what),
      "Keep what it counts or remembers in a buffer (register_buffer), draw random numbers from LibTorch's "
      "default generator and read no clock; docs/your-own-model.md. Not to be told: train.check_model=false");
}

std::string extra_with_check(std::optional<Step> checked) {
  return checked ? nlohmann::json{{kMember, {{"step", checked->value}}}}.dump() : "{}";
}

std::optional<Step> checked_step(const std::string& extra) {
  const auto json = nlohmann::json::parse(extra, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains(kMember)) return std::nullopt;
  const auto& member = json[kMember];
  const bool has = member.is_object() && member.contains("step") && member["step"].is_number_integer();
  return has ? std::optional(Step(member["step"].get<std::int64_t>())) : std::nullopt;
}

}  // namespace lockstep
