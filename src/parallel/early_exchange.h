// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lockstep/comm/world.h"
#include "parallel/arena.h"
#include "parallel/buckets.h"
#include "parallel/carrier.h"
#include "parallel/contribution_stack.h"
#include "tensors/slice.h"

namespace lockstep {

struct ExchangePlan;

// Note [early buckets]: gradients are exchanged while the backward pass of a rank's last micro-batch still
// makes others. A bucket is complete when that pass has accumulated all its gradients. Its partial sums are
// then merged along the tree, as they would be at the end, and it leaves on a carrier. All ranks exchange
// buckets in one order, so a bucket waits for those before it, and what has not left by the end of the pass
// leaves then: a parameter that a rank does not reach costs overlap and nothing else. Sums are those of the
// same values in the same order, so the bits are those of an exchange after the pass. From a domain to the
// others a bucket leaves once all its ranks have it.
//
// In the first step nothing leaves early. The order in which rank 0 accumulates gradients then is that of the
// buckets from the second step on.
//
// A pass that accumulates a gradient once more after it was moved (Note [gradients]) is computed again. What
// of it has left was of no use: the rank says so when all ranks meet at the end, and these buckets are
// exchanged again by all, which is why Reduce only reads partial sums. (Others of its domain may read those
// while they are computed again; what they make of that is of no use either.)
//
// One object an arena; the world and the arena outlive it. The rank's MicroBatchPass tells it what happens
// (Local), its GradientExchange lets the ranks meet.
class EarlyExchange {
 public:
  // Collective, with the same ranges on all ranks: turns everybody's partial sums into means, in these ranges
  // of a contribution. It only reads the sums, so that a range can be reduced once more.
  using Reduce = std::function<void(const std::vector<PartialSum>& sums, std::span<const Slice> ranges)>;

  struct Way {
    std::string how;  // in words
    double bucket_mb;
  };
  // Collective; the same on all ranks. How gradients are to leave early, by `plan.overlap` or because a core
  // is free; null where they are not to, which rank 0 says.
  static std::optional<Way> way(World& world, const ModelArena& arena, const ExchangePlan& plan);

  // With a carrier for the arena's device. Rank 0 says which way.
  EarlyExchange(World& world, const ModelArena& arena, const Way& way, Reduce reduce);

  // Local. A step's micro-batches begin.
  void begin_step();
  // Local. Forward and backward of the last one: `stack` has it open.
  void begin_last(ContributionStack& stack);
  // Local. The gradient of trainable() `index` was moved into the contribution. By autograd's threads.
  void arrived(std::size_t index);
  // Local. That backward pass has ended, well or not.
  void end_last();
  // Local, after end_last(). The step's micro-batches are computed again; returns when nothing reads what
  // they write to.
  void begin_again();

  // Collective. What has not left yet leaves now, also of a rank whose pass has failed, so that all ranks can
  // meet; what comes of that is of no use then. In the first step it does nothing.
  void drain(const ContributionStack& stack);
  // Collective. The mean of everything is there.
  void finish(const std::vector<PartialSum>& sums);

 private:
  void leave(std::size_t bucket);
  void leave_all(const std::vector<PartialSum>& sums);
  void repeat_spoiled(const std::vector<PartialSum>& sums);
  void agree_on_order();
  void cut(const std::vector<std::int64_t>& order);

  enum class Stage {
    kFirst,  // step: the order is observed
    kEarly,  // buckets may leave
    kLate,   // not in this step any more
  };

  World& world_;
  const ModelArena& arena_;
  Reduce reduce_;
  std::unique_ptr<Carrier> carrier_;
  BucketSizes sizes_;
  std::vector<Bucket> buckets_;
  std::vector<std::size_t> bucket_of_;  // of each parameter

  std::mutex mutex_;  // what follows, while a pass is under way
  Stage stage_ = Stage::kFirst;
  ContributionStack* stack_ = nullptr;  // while the last micro-batch is open
  std::vector<std::int64_t> order_;     // in which gradients arrived
  std::vector<std::size_t> missing_;    // of each bucket
  std::vector<PartialSum> sums_;
  std::size_t left_ = 0;               // so many buckets have left, the first ones,
  std::vector<std::int64_t> spoiled_;  // and of each: whether it must again
};

}  // namespace lockstep
