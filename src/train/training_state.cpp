// SPDX-License-Identifier: Apache-2.0
#include "train/training_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "comm/agree.h"
#include "lockstep/base/error.h"
#include "loop/kept_groups.h"
#include "optim/parameter_names.h"
#include "parallel/gradient_exchange.h"
#include "parallel/parted_slots.h"
#include "tensors/tensor_span.h"

namespace lockstep {
namespace {

const char* const kAllParameters = "all_parameters";

ParameterOffsets offsets_of(const std::vector<ArenaEntry>& entries) {
  ParameterOffsets offsets;
  for (const ArenaEntry& entry : entries) offsets.push_back(entry.offset);
  return offsets;
}

std::vector<std::string> names_of(const std::vector<ArenaEntry>& entries) {
  std::vector<std::string> names;
  for (const ArenaEntry& entry : entries) names.push_back(entry.name);
  return names;
}

// Before the arena, for which what is frozen has no gradient.
void freeze_groups(Model& model, const OptimOptions& optim) {
  const auto groups = groups_by_name(optim, model);
  for (const NamedParameter& one : parameters_with_names(model)) {
    const int group = groups.at(one.names.front());
    if (group != kNoGroup && optim.groups[static_cast<std::size_t>(group)].frozen)
      torch::Tensor(one.tensor).requires_grad_(false);
  }
}

std::shared_ptr<Model> prepared(std::shared_ptr<Model> model, const OptimOptions& optim,
                                const ComputeDevice& compute) {
  move_model(*model, compute);
  if (!optim.groups.empty()) freeze_groups(*model, optim);
  return model;
}

// Groups are those of all parameters, for what one means does not depend on what is frozen.
std::unique_ptr<FlatOptimizer> make_optimizer(const OptimOptions& optim, const Model& model,
                                              const ModelArena& arena) {
  const auto by_name = lockstep::groups_by_name(optim, model);
  ParameterGroups groups;
  ParameterShapes shapes;
  for (const ArenaEntry& entry : arena.trainable()) {
    groups.push_back(by_name.at(entry.name));
    shapes.push_back(entry.shape);
  }
  return FlatOptimizer::make(optim, arena.trainable_values(),
                             {offsets_of(arena.trainable()), std::move(groups), std::move(shapes)});
}

}  // namespace

TrainingState::TrainingState(std::shared_ptr<Model> model, const OptimOptions& optim,
                             const ComputeDevice& compute)
    : model_(prepared(std::move(model), optim, compute)),
      optim_(optim),
      compute_(compute),
      arena_(*model_),
      optimizer_(make_optimizer(optim, *model_, arena_)) {}

StateCopies TrainingState::share(GradientExchange& exchange) {
  copies_ = exchange.share_state(arena_, *optimizer_);
  parted_ = exchange.parted_slots();
  persisted_.clear();
  return copies_;
}

std::vector<TrainingState::Persisted>& TrainingState::listed() const {
  if (!persisted_.empty()) return persisted_;
  std::vector<Persisted> list;
  const auto add_all = [&](const std::string& slot, const std::vector<ArenaEntry>& entries,
                           const torch::Tensor& flat, bool steady) {
    for (const ArenaEntry& entry : entries) {
      list.push_back(persist({slot, entry.name}, ModelArena::view(flat, entry), steady));
      if (slot.empty() && entry.offset < arena_.trainable_count() && flat.is_cpu())
        list.back().host = ModelArena::view(arena_.writable_values(), entry);
    }
  };
  add_all("", arena_.parameters(), arena_.values(), /*steady=*/true);
  add_all("", arena_.buffers(), arena_.values(), /*steady=*/false);
  for (const auto& [name, tensor] : arena_.integer_buffers())
    list.push_back(persist({"", name}, tensor, /*steady=*/false));
  const std::vector<OptimizerSlot> slots = optimizer_->slots();
  for (std::size_t i = 0; i < slots.size(); ++i)
    add_all(slots[i].name, arena_.trainable(), parted_ == nullptr ? slots[i].flat : parted_->slots()[i],
            /*steady=*/true);
  persisted_ = std::move(list);
  return persisted_;
}

std::vector<StateTensor> TrainingState::host_tensors() {
  std::vector<StateTensor> list;
  for (const Persisted& item : listed()) list.push_back(in_host_memory(item));
  const std::vector<double>& steps = optimizer_->steps();
  const bool one = std::adjacent_find(steps.begin(), steps.end(), std::not_equal_to<>()) == steps.end();
  for (const MutableStateTensor& place : step_places({one, {}})) list.push_back({place, place.bytes});
  for (std::size_t i = 0; i < steps_.size(); ++i) steps_[i] = static_cast<float>(steps[i]);
  return list;
}

// Into steps_, which becomes as long as there are counts.
std::vector<MutableStateTensor> TrainingState::step_places(const StoredOptimizer& stored) {
  std::vector<std::string> names;
  for (const ArenaEntry& entry : arena_.trainable())
    if (!stored.one_step && !stored.without_state.contains(entry.name)) names.push_back(entry.name);
  if (stored.one_step) names = {kAllParameters};
  steps_.assign(names.size(), 0);
  std::vector<MutableStateTensor> list;
  for (std::size_t i = 0; i < names.size(); ++i)
    list.push_back(
        {{{kStepSlot, names[i]}, DType::kFloat32, {}}, std::as_writable_bytes(std::span(&steps_[i], 1))});
  return list;
}

std::vector<MutableStateTensor> TrainingState::places(const StoredOptimizer& stored) {
  std::vector<MutableStateTensor> list;
  for (Persisted& item : listed()) {
    const MutableSpan span = span_of(item.host);
    if (!item.key.in_model() && stored.without_state.contains(item.key.name))
      std::memset(span.data, 0, span.bytes());
    else
      list.push_back({{item.key, span.dtype, item.host.sizes().vec()},
                      {static_cast<std::byte*>(span.data), span.bytes()}});
  }
  for (MutableStateTensor& place : step_places(stored)) list.push_back(std::move(place));
  stored_ = stored;
  return list;
}

void TrainingState::commit_restore() {
  torch::NoGradGuard no_grad;
  for (Persisted& item : listed())
    if (!item.live.device().is_cpu()) item.live.copy_(item.host);
  if (parted_ != nullptr) parted_->take_over();
  std::vector<double> steps;
  auto next = steps_.begin();
  for (const ArenaEntry& entry : arena_.trainable()) {
    const bool has = !stored_.without_state.contains(entry.name);
    steps.push_back(has ? *next : 0);
    if (has && !stored_.one_step) ++next;
  }
  optimizer_->set_steps(std::move(steps));
}

std::vector<std::string> TrainingState::parameter_names() const {
  return names_of(arena_.parameters());
}

std::vector<std::string> TrainingState::frozen_names() const {
  return names_of(arena_.frozen());
}

std::vector<ParamGroup> TrainingState::param_groups(double lr) const {
  if (optim_.groups.empty()) return {};
  const auto by_name = groups_by_name();
  std::map<int, std::vector<std::string>> names;
  for (const ArenaEntry& entry : arena_.parameters()) names[by_name.at(entry.name)].push_back(entry.name);
  return groups_to_keep(optim_, names, lr);
}

std::map<std::string, int> TrainingState::groups_by_name() const {
  return lockstep::groups_by_name(optim_, *model_);
}

std::uint64_t TrainingState::bytes() {
  std::uint64_t total = 0;
  for (const Persisted& item : listed()) total += item.live.nbytes();
  return total + arena_.trainable().size() * sizeof(float);
}

namespace {

std::span<const std::byte> bytes_of(const torch::Tensor& host) {
  return {static_cast<const std::byte*>(host.data_ptr()), static_cast<std::size_t>(host.nbytes())};
}

}  // namespace

void TrainingState::require_alike(World& world) const {
  agree_same(world, "the integer buffers of the model", fmt::format("{:016x}", own_digest()), ExitCode::kBug);
}

std::uint64_t TrainingState::own_digest() const {
  Hasher hasher;
  for (const auto& [name, tensor] : arena_.integer_buffers())
    hasher.update(bytes_of(tensor.cpu().contiguous()));
  return hasher.digest().low;
}

std::vector<torch::Tensor> TrainingState::replicated() const {
  const std::int64_t frozen = arena_.trainable_count() + arena_.buffer_count();
  std::vector<torch::Tensor> flat = {arena_.values().narrow(0, frozen, arena_.values().numel() - frozen)};
  // What is there once cannot differ.
  if (copies_ == StateCopies::kOne) return flat;
  // Without the padding to the end of the page.
  const std::int64_t used = arena_.trainable().back().offset + arena_.trainable().back().count;
  flat.insert(flat.begin(), arena_.writable_values().narrow(0, 0, used));
  if (parted_ != nullptr) return flat;
  for (const OptimizerSlot& slot : optimizer_->slots()) flat.push_back(slot.flat.narrow(0, 0, used));
  return flat;
}

PartedSlots::Wanted TrainingState::wanted(const PlannedState& planned, Fetch what, WorldSize ranks) const {
  PartedSlots::Wanted wanted(static_cast<std::size_t>(ranks.value));
  const auto want = [&](std::size_t rank, std::span<const std::byte> bytes) {
    for (std::size_t i = 0; i < parted_->slots().size(); ++i) {
      const torch::Tensor& slot = parted_->slots()[i];
      const auto* const begin = static_cast<const std::byte*>(slot.const_data_ptr());
      if (bytes.data() < begin || bytes.data() >= begin + slot.nbytes()) continue;
      const auto size = static_cast<std::int64_t>(slot.element_size());
      const std::int64_t first = (bytes.data() - begin) / size;
      wanted[rank].push_back({i, {first, first + std::ssize(bytes) / size}});
    }
  };
  if (what == Fetch::kAllOnRoot)
    for (const StateTensor& tensor : planned.tensors) want(0, tensor.bytes);
  else
    for (std::size_t rank = 0; rank < planned.plan.shards.size(); ++rank)
      for (const ShardPiece& piece : planned.plan.shards[rank].pieces)
        want(rank, piece_of(planned.tensors, piece).bytes);
  return wanted;
}

void TrainingState::fetch(World& world, const PlannedState& planned, Fetch what) {
  if (parted_ != nullptr) parted_->fetch(wanted(planned, what, world.size()));
}

std::uint64_t TrainingState::bytes_to_fetch(World& world, const PlannedState& planned) const {
  if (parted_ == nullptr) return 0;
  return parted_->bytes_to_fetch(wanted(planned, Fetch::kOwnPieces, world.size()));
}

void TrainingState::let_go() {
  if (parted_ != nullptr) parted_->drop();
}

std::string TrainingState::digest_of_rest() const {
  Hasher hasher;
  hasher.update(bytes_of(arena_.buffer_values().cpu()));
  for (const auto& [name, tensor] : arena_.integer_buffers())
    hasher.update(bytes_of(tensor.cpu().contiguous()));
  hasher.update(std::as_bytes(std::span(optimizer_->steps())));
  return hasher.digest().hex();
}

}  // namespace lockstep
