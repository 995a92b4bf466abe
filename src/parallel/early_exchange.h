// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "lockstep/comm/world.h"
#include "parallel/arena.h"
#include "parallel/buckets.h"
#include "parallel/carrier.h"
#include "parallel/contribution_stack.h"
#include "parallel/gradient_reducer.h"

namespace lockstep {

// Note [early buckets]: gradients are exchanged while the backward pass of a rank's last micro-batch still
// makes others. A bucket is complete when that pass has accumulated all its gradients. Its partial sums are
// then merged along the tree, as they would be at the end, and it leaves on a carrier. All ranks exchange
// buckets in one order, so a bucket waits for those before it, and what has not left by the end of the pass
// leaves then: a parameter that a rank does not reach costs overlap and nothing else. Sums are those of the
// same values in the same order, so the bits are those of an exchange after the pass.
//
// In the first step nothing leaves early. The order in which rank 0 accumulates gradients then is that of the
// buckets from the second step on.
//
// A pass that accumulates a gradient once more after it was moved (Note [gradients]) is computed again. What
// of it has left was of no use: the rank says so when all ranks meet at the end, and these buckets are
// exchanged again by all, which is why a reducer only reads partial sums.
//
// One object an arena; the world, the arena and the reducer outlive it. The rank's MicroBatchPass tells it
// what happens (Local), its GradientExchange lets the ranks meet.
class EarlyExchange {
 public:
  // With a carrier for the arena's device.
  EarlyExchange(World& world, const ModelArena& arena, GradientReducer& reducer, const BucketSizes& sizes);

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
  GradientReducer& reducer_;
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
