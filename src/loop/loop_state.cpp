// SPDX-License-Identifier: Apache-2.0
#include "loop/loop_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "base/some_of.h"
#include "checkpoint/reader.h"
#include "lockstep/base/error.h"
#include "lockstep/base/hash.h"
#include "lockstep/base/log.h"
#include "loop/module_modes.h"
#include "loop/same_lines.h"
#include "parallel/arena.h"
#include "tensors/tensor_span.h"

namespace lockstep {
namespace {

std::span<const std::byte> bytes_of(const torch::Tensor& host) {
  return {static_cast<const std::byte*>(host.data_ptr()), static_cast<std::size_t>(host.nbytes())};
}

torch::Tensor in_one_piece(const torch::Tensor& tensor) {
  return tensor.is_contiguous() ? tensor : tensor.contiguous();
}

// While all parameters have had as many updates it is said once, as TrainingState does.
void join_steps(std::vector<Kept>& all) {
  const auto is_step = [](const Kept& kept) { return kept.key.slot == kStepSlot; };
  const auto first = std::ranges::find_if(all, is_step);
  if (first == all.end()) return;
  const float step = first->tensor.item<float>();
  const bool equal = std::ranges::all_of(
      all, [&](const Kept& kept) { return !is_step(kept) || kept.tensor.item<float>() == step; });
  if (!equal) return;
  Kept joined = *first;
  joined.key.name = kAllParameters;
  std::erase_if(all, is_step);
  all.push_back(std::move(joined));
}

using All = std::vector<std::unique_ptr<Added>>;

// Of all modules, one name after the other: tied weights have several.
void each_name(const All& added, const std::function<void(const std::string&, const torch::Tensor&)>& visit) {
  for (const auto& one : added) {
    if (one->module() == nullptr) continue;
    for (const auto& item : one->module()->named_parameters())
      visit(name_in_checkpoint(one->name(), item.key()), item.value());
  }
}

// Each parameter once, under its first name.
void each_parameter(const All& added,
                    const std::function<void(const std::string&, const torch::Tensor&)>& visit) {
  std::set<const void*> seen;
  each_name(added, [&](const std::string& name, const torch::Tensor& parameter) {
    if (seen.insert(parameter.unsafeGetTensorImpl()).second) visit(name, parameter);
  });
}

ParameterNames names_of(const All& added) {
  ParameterNames names;
  each_parameter(added, [&](const std::string& name, const torch::Tensor& parameter) {
    names.emplace(parameter.unsafeGetTensorImpl(), name);
  });
  return names;
}

// LibTorch's parameters() lists tied weights under each of their names, and step() goes through the list.
void require_listed_once(const All& added, const Added& optimizer) {
  std::set<const void*> seen, twice;
  for (const torch::Tensor& parameter : optimizer.optimized())
    if (!seen.insert(parameter.unsafeGetTensorImpl()).second) twice.insert(parameter.unsafeGetTensorImpl());
  if (twice.empty()) return;
  std::vector<std::string> names;
  each_name(added, [&](const std::string& name, const torch::Tensor& parameter) {
    if (twice.contains(parameter.unsafeGetTensorImpl())) names.push_back(name);
  });
  throw Fault(ExitCode::kConfig,
              fmt::format("{} lists one tensor more than once, so that step() would update it as often ({})",
                          optimizer.name(), some_of(names)),
              "Give it each tensor once: each_once(net->parameters())");
}

}  // namespace

void LoopState::add(std::unique_ptr<Added> added) {
  if (added->name().empty() || !names_.insert(added->name()).second)
    throw Fault(ExitCode::kConfig,
                fmt::format("'{}' was added to the checkpoints twice, or is empty", added->name()),
                "Give each thing a name of its own");
  added_.push_back(std::move(added));
}

std::string LoopState::description() const {
  std::string text;
  for (const auto& one : added_) text += fmt::format("{}: {}\n", one->name(), one->kind());
  return text;
}

void LoopState::require_complete() const {
  const ParameterNames names = names_of(added_);
  std::set<const void*> seen;
  for (const auto& one : added_) {
    require_listed_once(added_, *one);
    for (const torch::Tensor& parameter : one->optimized()) {
      const void* const impl = parameter.unsafeGetTensorImpl();
      if (!names.contains(impl))
        throw Fault(ExitCode::kConfig,
                    fmt::format("{} has a parameter that belongs to no module that was added", one->name()),
                    "Add the module first: add(\"model\", module)");
      if (!seen.insert(impl).second)
        throw Fault(
            ExitCode::kConfig,
            fmt::format("{} has parameter {}, which another optimizer has too", one->name(), names.at(impl)),
            "Let one optimizer update each parameter");
    }
  }
}

bool LoopState::refresh() {
  const ParameterNames names = names_of(added_);
  std::vector<Kept> all;
  for (const auto& one : added_)
    for (Kept& kept : one->kept(names)) all.push_back(std::move(kept));
  for (const auto& one : added_) require_listed_once(added_, *one);  // a group may have been added
  join_steps(all);
  const auto layout = [](const std::vector<Persisted>& list) {
    std::vector<std::tuple<std::string, torch::ScalarType, std::vector<std::int64_t>>> out;
    for (const Persisted& item : list)
      out.emplace_back(item.key.path(), item.live.scalar_type(), item.live.sizes().vec());
    return out;
  };
  const auto before = layout(persisted_);
  persisted_.clear();
  std::set<std::string> paths;
  for (const Kept& kept : all) {
    if (!paths.insert(kept.key.path()).second)
      throw Fault(ExitCode::kConfig, "two things would have one place in the checkpoint: " + kept.key.path(),
                  "Call one of the modules something else");
    persisted_.push_back(persist(kept.key, in_one_piece(kept.tensor), kept.steady));
    persisted_.back().shared = kept.shared;
  }
  return layout(persisted_) != before;
}

// Rank 0 writes all that is not shared: it must be everybody's. Of the rest, each must have a place.
void LoopState::require_alike(World& world) const {
  std::string text;
  for (const Persisted& item : persisted_)
    text += fmt::format("{} {:016x}\n", item.key.path(),
                        item.shared ? 0 : digest_of(bytes_of(item.live.cpu())).low);
  require_same_values(world, text, [&](const std::string& name) {
    return Fault(
        ExitCode::kBug,
        fmt::format("{} is not the same on rank {} as on rank 0, whose would be saved", name,
                    world.rank().value),
        "Make it equal on all ranks (Session::broadcast, all_reduce_sum, agree_on_root) before after()");
  });
}

std::vector<StateTensor> LoopState::host_tensors() {
  std::vector<StateTensor> list;
  for (const Persisted& item : persisted_) list.push_back(in_host_memory(item));
  return list;
}

std::uint64_t LoopState::bytes() {
  std::uint64_t total = 0;
  for (const Persisted& item : persisted_) total += item.live.nbytes();
  return total;
}

std::string LoopState::digest_of_rest() const {
  Hasher hasher;
  for (const Persisted& item : persisted_)
    if (!item.steady) hasher.update(bytes_of(item.live.cpu()));
  return hasher.digest().hex();
}

void LoopState::note_versions() {
  versions_.clear();
  for (const Persisted& item : persisted_)
    versions_.push_back(static_cast<std::uint32_t>(item.live._version()));
}

std::string LoopState::changed_since() const {
  for (std::size_t i = 0; i < versions_.size(); ++i)
    if (persisted_[i].steady && static_cast<std::uint32_t>(persisted_[i].live._version()) != versions_[i])
      return persisted_[i].key.path();
  return "";
}

std::vector<std::string> LoopState::parameter_order() const {
  std::vector<std::string> order;
  each_parameter(added_, [&](const std::string& name, const torch::Tensor&) { order.push_back(name); });
  return order;
}

std::vector<std::string> LoopState::frozen() const {
  std::vector<std::string> frozen;
  each_parameter(added_, [&](const std::string& name, const torch::Tensor& parameter) {
    if (!parameter.requires_grad()) frozen.push_back(name);
  });
  return frozen;
}

// "<module's name>:<name inside>", since the module itself has no name of its own.
std::vector<std::string> LoopState::eval_modules() const {
  std::vector<std::string> all;
  for (const auto& one : added_) {
    if (one->module() == nullptr) continue;
    for (const std::string& inside : modules_in_eval(*one->module()))
      all.push_back(one->name() == "model" ? inside : one->name() + ":" + inside);
  }
  return all;
}

std::map<std::string, std::string> LoopState::optimizer_config() const {
  for (const auto& one : added_)
    if (auto config = one->optimizer_config(); !config.empty()) return config;
  return {};
}

// A record has room for one optimizer.
std::vector<ParamGroup> LoopState::param_groups() const {
  const Added* only = nullptr;
  for (const auto& one : added_) {
    if (one->optimizer_config().empty()) continue;
    if (only != nullptr) return {};
    only = one.get();
  }
  return only == nullptr ? std::vector<ParamGroup>{} : only->param_groups(names_of(added_));
}

std::vector<MutableStateTensor> LoopState::places(const CheckpointReader& checkpoint) {
  restored_.clear();
  std::vector<MutableStateTensor> list;
  for (const ManifestTensor& stored : checkpoint.manifest().tensors) {
    if (stored.key.in_extra() && stored.key.section != kLoopSection) continue;
    torch::Tensor place;
    for (const auto& one : added_)
      if (!place.defined()) place = one->place(stored.key);
    const auto type = scalar_type_of(stored.dtype);
    const bool direct = place.defined() && place.is_cpu() && place.is_contiguous() &&
                        place.scalar_type() == type && place.sizes() == c10::IntArrayRef(stored.shape);
    if (stored.key.in_model() && !place.defined())
      throw Fault(ExitCode::kConfig,
                  "the checkpoint has " + stored.key.name + ", which no module that was added has",
                  "Make the modules as they were when it was written");
    if (stored.key.in_model() &&
        (place.scalar_type() != type || place.sizes() != c10::IntArrayRef(stored.shape)))
      throw Fault(ExitCode::kConfig,
                  fmt::format("{} is {} [{}] in the checkpoint and {} [{}] in the module", stored.key.name,
                              name_of(stored.dtype), fmt::join(stored.shape, ", "),
                              name_of(span_of(place).dtype), fmt::join(place.sizes(), ", ")),
                  "Make the modules as they were when it was written");
    if (!direct) place = torch::empty(stored.shape, type);
    restored_[stored.key.path()] = place;
    const MutableSpan span = span_of(place);
    list.push_back({stored, {static_cast<std::byte*>(span.data), span.bytes()}});
  }
  return list;
}

// What is left of the checkpoint that the program has not taken, and what it has otherwise.
void LoopState::warn_of_differences(const ParameterNames& names) const {
  std::set<std::string> paths;
  for (const auto& one : added_)
    for (const Kept& kept : one->kept(names)) paths.insert(kept.key.path());
  const std::vector<std::string> left = not_taken(restored_, paths);
  if (!left.empty())
    log_warning("the checkpoint has {}, which nothing that was added takes, so it is left out",
                some_of(left));
  for (const auto& one : added_)
    for (const std::string& difference : one->differences(restored_, names)) log_warning("{}", difference);
}

void LoopState::take_over(TrainRecord& record) {
  split_steps(restored_);
  const ParameterNames names = names_of(added_);
  for (const auto& one : added_) one->take(restored_, names);
  if (session_.world.is_root()) warn_of_differences(names);
  restored_.clear();
  for (const auto& one : added_) {
    if (one->module() == nullptr) continue;
    std::vector<std::string> inside;
    const std::string prefix = one->name() == "model" ? "" : one->name() + ":";
    for (const std::string& name : record.eval_modules)
      if (name.starts_with(prefix) && (!prefix.empty() || name.find(':') == std::string::npos))
        inside.push_back(name.substr(prefix.size()));
    restore_modes(*one->module(), inside);
  }
  record.frozen = frozen();
}

}  // namespace lockstep
