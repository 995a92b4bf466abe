// SPDX-License-Identifier: Apache-2.0
#include "parallel/rank_slots.h"

#include "tensors/tensor_span.h"

namespace lockstep {
namespace {

torch::Tensor sparse_zeros(const torch::Tensor& like) {
  const auto options = like.options().device(torch::kCPU).requires_grad(false);
  const auto memory = std::make_shared<SparseMemory>(like.nbytes(), "to bring optimizer state together in",
                                                     "set optim.sharded: false");
  return torch::from_blob(
      memory->bytes().data(), {like.numel()}, [memory](void*) {}, options);
}

std::vector<torch::Tensor> places_for(const FlatOptimizer& optimizer) {
  std::vector<torch::Tensor> places;
  for (const OptimizerSlot& slot : optimizer.slots()) places.push_back(sparse_zeros(slot.flat));
  return places;
}

// What is left over is rank 0's to give.
std::vector<PartedSlots::Owner> owners_of(const RankCut& cut) {
  std::vector<PartedSlots::Owner> owners;
  for (int rank = 0; rank < cut.ranks; ++rank)
    owners.push_back({cut.part_of(rank), rank, static_cast<std::size_t>(rank)});
  owners.push_back({cut.rest(), 0, 0});
  return owners;
}

}  // namespace

RankSlots::RankSlots(World& world, const RankCut& cut, FlatOptimizer& optimizer)
    : PartedSlots(world, owners_of(cut), places_for(optimizer)),
      optimizer_(optimizer),
      parts_{cut.part_of(rank()), cut.rest()} {
  optimizer.keep_parts(parts_);
}

std::vector<RankSlots::Own> RankSlots::own() const {
  std::vector<Own> own;
  const std::vector<OptimizerSlot> live = optimizer_.slots();
  for (std::size_t slot = 0; slot < live.size(); ++slot) {
    std::int64_t begin = 0;
    for (const Slice& part : parts_) {
      own.push_back({slot, part, live[slot].flat.narrow(0, begin, part.count())});
      begin += part.count();
    }
  }
  return own;
}

std::size_t RankSlots::own_bytes() const {
  std::size_t bytes = 0;
  for (const Own& own : own()) bytes += own.live.nbytes();
  return bytes;
}

torch::Tensor RankSlots::of(const Part& part) const {
  return slots()[part.slot].narrow(0, part.elements.begin, part.elements.count());
}

void RankSlots::show_own(std::vector<Part>& there) {
  const torch::NoGradGuard no_grad;
  for (const Own& own : own()) {
    there.push_back({own.slot, own.elements});
    of(there.back()).copy_(own.live);
  }
}

void RankSlots::take_over() {
  const torch::NoGradGuard no_grad;
  for (const Own& own : own()) own.live.copy_(of({own.slot, own.elements}));
  let_go({});
}

void RankSlots::let_go(const std::vector<Part>& /*parts*/) const {
  for (const torch::Tensor& slot : slots()) {
    const MutableSpan values = span_of(slot);
    SparseMemory::give_back({static_cast<std::byte*>(values.data), values.bytes()});
  }
}

}  // namespace lockstep
