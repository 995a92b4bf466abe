// SPDX-License-Identifier: Apache-2.0
#include "loop/same_module.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "loop/same_lines.h"

namespace lockstep {
namespace {

std::string description(const torch::nn::Module& module, const std::string& options) {
  std::string text = options + "\n";
  const auto add = [&](const auto& named) {
    for (const auto& item : named)
      text +=
          fmt::format("{} {} [{}]{}\n", item.key(), c10::toString(item.value().scalar_type()),
                      fmt::join(item.value().sizes(), ", "), item.value().requires_grad() ? "" : " fixed");
  };
  add(module.named_parameters());
  add(module.named_buffers());
  return text;
}

}  // namespace

void require_same_module(World& world, const torch::nn::Module& module, const std::string& options) {
  require_same_lines(
      world, description(module, options), [&](const std::string& here, const std::string& root) {
        return Fault(ExitCode::kConfig,
                     fmt::format("the module is not the same on all ranks: '{}' on rank {}, '{}' on rank 0",
                                 here, world.rank().value, root),
                     "Make the same module with the same options on every rank");
      });
}

}  // namespace lockstep
