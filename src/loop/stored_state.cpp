// SPDX-License-Identifier: Apache-2.0
#include "loop/stored_state.h"

#include <cstring>
#include <string_view>

#include "lockstep/base/error.h"
#include "loop/saved_state.h"

namespace lockstep {
namespace {

constexpr std::string_view kOptimizer = "optimizer/";

bool is_of(const std::string& path, const std::string& group) {
  return path.starts_with(group + "/");
}

}  // namespace

TensorKey loop_key(const std::string& name) {
  return {"", name, kLoopSection};
}

torch::Tensor text_tensor(const std::string& text) {
  const torch::Tensor bytes = torch::empty({static_cast<std::int64_t>(text.size())}, torch::kUInt8);
  if (!text.empty()) std::memcpy(bytes.data_ptr(), text.data(), text.size());
  return bytes;
}

std::string text_in(const torch::Tensor& bytes) {
  const auto* const begin = static_cast<const char*>(bytes.const_data_ptr());
  return {begin, begin + bytes.numel()};
}

const torch::Tensor& found(const StoredState& stored, const TensorKey& key, const std::string& what) {
  const auto tensor = stored.find(key.path());
  if (tensor == stored.end())
    throw Fault(ExitCode::kConfig, "the checkpoint has no " + what,
                "Add what was added when it was written, or start a run in another directory");
  return tensor->second;
}

void split_steps(StoredState& stored) {
  const auto all = stored.find(TensorKey{kStepSlot, kAllParameters}.path());
  if (all == stored.end()) return;
  const torch::Tensor step = all->second;
  StoredState own;
  for (const auto& [path, tensor] : stored) {
    if (!path.starts_with(kOptimizer)) continue;
    const std::size_t end = path.find('/', kOptimizer.size());
    own[TensorKey{kStepSlot, path.substr(end + 1)}.path()] = step;
  }
  stored.merge(own);
}

std::optional<double> stored_step(const StoredState& stored, const std::string& name) {
  const auto step = stored.find(TensorKey{kStepSlot, name}.path());
  if (step == stored.end()) return std::nullopt;
  return step->second.item<double>();
}

OptimizerSlots stored_slots(const StoredState& stored, const std::string& name) {
  OptimizerSlots slots;
  slots.step = stored_step(stored, name);
  for (const auto& [path, tensor] : stored) {
    if (!path.starts_with(kOptimizer) || !path.ends_with("/" + name)) continue;
    const std::size_t end = path.find('/', kOptimizer.size());
    const std::string slot = path.substr(kOptimizer.size(), end - kOptimizer.size());
    if (slot != kStepSlot && path.substr(end + 1) == name) slots.tensors[slot] = tensor;
  }
  return slots;
}

std::vector<std::string> not_taken(const StoredState& stored, const std::set<std::string>& paths) {
  constexpr std::string_view kGroups = ".param_groups.";
  std::vector<std::string> left;
  for (const auto& [path, tensor] : stored) {
    const bool is_state = path.starts_with(kOptimizer) && !is_of(path, TensorKey{kStepSlot, ""}.group());
    const bool is_own = is_of(path, loop_key("").group());
    if ((!is_state && !is_own) || paths.contains(path)) continue;
    const std::size_t groups = path.find(kGroups);  // one line for all of an optimizer's
    const std::string what = groups == std::string::npos ? path : path.substr(0, groups);
    if (left.empty() || left.back() != what) left.push_back(what);
  }
  return left;
}

}  // namespace lockstep
