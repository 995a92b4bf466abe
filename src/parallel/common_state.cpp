// SPDX-License-Identifier: Apache-2.0
#include "parallel/common_state.h"

#include <fmt/format.h>

#include <vector>

#include "parallel/common_tensors.h"
#include "tensors/page_zeros.h"

namespace lockstep {
namespace {

// Collective. For the arena's values and each slot; empty where there is no room.
std::vector<torch::Tensor> room_for(HostDomain& domain, const ModelArena& arena,
                                    const FlatOptimizer& optimizer, Pages of_slots) {
  const std::int64_t trainable = arena.trainable_count();
  const auto options = arena.values().options();
  std::vector<torch::Tensor> room = {zeros_in_common(domain, {arena.values().numel(), trainable}, options)};
  const std::size_t wanted = 1 + optimizer.slots().size();
  while (room.back().defined() && room.size() < wanted)
    room.push_back(zeros_in_common(domain, {trainable, trainable, of_slots}, options));
  return room.back().defined() ? room : std::vector<torch::Tensor>();
}

Fault changed(const std::string& parameter) {
  return Fault(ExitCode::kConfig,
               fmt::format("parameter {} was changed in place between two updates", parameter),
               "The ranks of this host have one copy of it. Leave it to the optimizer, or give each rank "
               "its own: dist.shared_memory: false (in a loop of one's own ParallelOptions::host_memory)");
}

}  // namespace

std::unique_ptr<CommonState> CommonState::make(HostDomain& domain, ModelArena& arena,
                                               FlatOptimizer& optimizer, bool sharded) {
  const std::vector<torch::Tensor> room =
      room_for(domain, arena, optimizer, sharded ? Pages::kAsTouched : Pages::kReserved);
  if (room.empty()) return nullptr;
  std::unique_ptr<CommonState> state(new CommonState(arena));
  arena.move_to(room.front(), domain.rank() == 0);
  std::vector<std::string> texts;
  for (const ArenaEntry& entry : arena.trainable()) texts.emplace_back(changed(entry.name).what());
  state->sealed_ =
      std::make_unique<SealedParameters>(arena, std::move(texts), domain.world().rank().value == 0);
  arena.write_through(state->sealed_->writable());
  const std::vector<torch::Tensor> slots(room.begin() + 1, room.end());
  optimizer.move_to(arena.writable_values(), slots);
  if (sharded) state->parted_ = std::make_unique<DomainSlots>(domain, slots);
  domain.barrier("the state is in common");
  state->written_.note(arena);
  return state;
}

void CommonState::leave(std::unique_ptr<CommonState> state, ModelArena& arena) {
  const torch::Tensor own = zeros_from_a_page_on(arena.values().numel(), arena.values().options());
  state.reset();
  arena.move_to(own, /*writes_trainable=*/true);
  arena.write_through({});
}

void CommonState::was_written() {
  written_.note(arena_);
  sealed_->seal();
  if (parted_ != nullptr) parted_->drop_what_others_update();
}

std::optional<Fault> CommonState::touched() const {
  const std::string name = written_.changed(arena_);
  return name.empty() ? std::nullopt : std::optional(changed(name));
}

}  // namespace lockstep
