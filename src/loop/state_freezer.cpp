// SPDX-License-Identifier: Apache-2.0
#include "loop/state_freezer.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/aligned_block.h"
#include "base/available_memory.h"
#include "base/huge_pages.h"
#include "base/stream_copy.h"
#include "checkpoint/digest.h"
#include "comm/agree.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "loop/save_plan.h"

namespace lockstep {
namespace {

// A leaf is small enough to stay in a core's cache from the copy to the digest.
std::vector<Digest> digested_copy(const StateTensor& from, std::byte* to) {
  std::vector<Digest> leaves;
  const std::uint64_t leaf = leaf_bytes(from);
  for (std::uint64_t at = 0; at < from.bytes.size(); at += leaf) {
    const auto part = from.bytes.subspan(at, std::min<std::uint64_t>(leaf, from.bytes.size() - at));
    if (to != nullptr) stream_copy(part, to + at);
    leaves.push_back(digest_of(part));
  }
  return leaves;
}

}  // namespace

StateFreezer::StateFreezer(SavedState& state) : state_(state) {}

std::uint64_t StateFreezer::staging_bytes(std::span<const StateTensor> tensors,
                                          std::span<const ShardPiece> pieces) {
  std::uint64_t bytes = 0;
  for (const ShardPiece& piece : pieces) bytes += round_up_to_direct(piece_of(tensors, piece).bytes.size());
  return bytes;
}

void StateFreezer::begin(std::span<StateTensor> tensors, std::span<const ShardPiece> mine, bool all) {
  check(copied_.load(), "one freeze at a time");
  copied_.store(false);
  copies_.clear();
  spoiled_.clear();
  state_.note_versions();
  if (state_.device().is_cpu()) return stage_on_cpu(tensors, mine);
  std::set<std::string> wanted;
  for (const ShardPiece& piece : mine) wanted.insert(tensors[piece.tensor].key.path());
  if (all)
    for (const StateTensor& tensor : tensors) wanted.insert(tensor.key.path());
  stage_on_device(wanted);
}

void StateFreezer::prepare(const PlannedState& planned, World& world) {
  together(world, [&] {
    const auto mine = pieces_of_rank(planned.plan, world.rank());
    const std::uint64_t needed = staging_bytes(planned.tensors, mine) + state_.bytes_to_fetch(world, planned);
    const auto ranks = static_cast<std::uint64_t>(world.place().local_size);
    if (const std::uint64_t available = available_memory(); needed > available / ranks)
      throw Fault(ExitCode::kCannotStart,
                  fmt::format("saving beside the training takes {} bytes of memory for a copy; {} are "
                              "available for the {} ranks of this host",
                              needed, available, ranks),
                  "Set checkpoint.async=false, or give the job more memory");
    make_memory(planned.tensors, mine);
  });
}

void StateFreezer::make_memory(std::span<const StateTensor> tensors, std::span<const ShardPiece> mine) {
  if (!state_.device().is_cpu() || mine.empty()) return;
  std::size_t end = 0;
  // On a page each, so that they can be written around the page cache.
  for (const StateTensor& tensor : tensors) {
    if (tensor.key.slot == kStepSlot) continue;
    places_[tensor.key.path()] = end;
    end += round_up_to_direct(tensor.bytes.size());
  }
  memory_ = std::make_unique<SparseMemory>(end, "to stage a checkpoint in", "set checkpoint.async=false");
  if (end > 0) prefer_huge_pages(memory_->bytes().data(), end);
  for (const ShardPiece& piece : mine) {
    if (tensors[piece.tensor].key.slot == kStepSlot) continue;
    const auto from = piece_of(tensors, piece).bytes;
    const auto before = static_cast<std::size_t>(from.data() - tensors[piece.tensor].bytes.data());
    memory_->touch(staged(tensors[piece.tensor]).subspan(before, from.size()));
  }
}

std::span<std::byte> StateFreezer::staged(const StateTensor& tensor) const {
  return memory_->bytes().subspan(places_.at(tensor.key.path()), tensor.bytes.size());
}

void StateFreezer::stage_on_cpu(std::span<StateTensor> tensors, std::span<const ShardPiece> mine) {
  check(memory_ != nullptr || mine.empty(), "memory was prepared for these tensors");
  std::set<std::string> passing;
  for (const auto& item : state_.persisted())
    if (!item.steady) passing.insert(item.key.path());
  for (const ShardPiece& piece : mine) {
    StateTensor& tensor = tensors[piece.tensor];
    const StateTensor from = piece_of(tensors, piece);
    if (tensor.key.slot == kStepSlot) {
      copies_.push_back({from, nullptr});
      continue;
    }
    const std::span<std::byte> place = staged(tensor);
    std::byte* const to = place.data() + (from.bytes.data() - tensor.bytes.data());
    tensor.bytes = place;
    if (passing.contains(tensor.key.path())) {
      std::memcpy(to, from.bytes.data(), from.bytes.size());
      copies_.push_back({piece_of(tensors, piece), nullptr});
    } else {
      copies_.push_back({from, to});
    }
  }
}

// The training stream orders what a forward will change; the rest goes beside it.
void StateFreezer::stage_on_device(const std::set<std::string>& wanted) {
  const auto copy_where = [&](bool steady) {
    for (const auto& item : state_.persisted())
      if (item.steady == steady && !item.live.device().is_cpu() && wanted.contains(item.key.path()))
        item.host.copy_(item.live, /*non_blocking=*/true);
  };
  const torch::NoGradGuard no_grad;
  const c10::Device device = state_.device();
  const c10::impl::VirtualGuardImpl backend(device.type());
  const c10::Stream training = backend.getStream(device);
  const c10::Stream beside = backend.getStreamFromGlobalPool(device, /*isHighPriority=*/false);
  copy_where(/*steady=*/false);
  c10::Event computed(device.type());
  computed.record(training);
  computed.block(beside);
  const c10::StreamGuard guard(beside);
  copy_where(/*steady=*/true);
  arrived_ = std::make_unique<c10::Event>(device.type());
  arrived_->record(beside);
}

std::vector<std::vector<Digest>> StateFreezer::copy() {
  if (arrived_) arrived_->synchronize();
  std::vector<std::vector<Digest>> leaves;
  for (const Copy& copy : copies_) {
    fault_point("freeze.copy");
    leaves.push_back(digested_copy(copy.from, copy.to));
  }
  spoiled_ = state_.changed_since();
  copied_.store(true);
  copied_.notify_all();
  return leaves;
}

void StateFreezer::release() {
  if (arrived_) {
    const c10::impl::VirtualGuardImpl backend(state_.device().type());
    arrived_->block(backend.getStream(state_.device()));
    return;
  }
  copied_.wait(false);
}

}  // namespace lockstep
