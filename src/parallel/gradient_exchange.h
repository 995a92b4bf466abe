// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/base/error.h"
#include "optim/optimizer.h"
#include "parallel/arena.h"
#include "parallel/contribution_stack.h"
#include "parallel/state_copies.h"

namespace lockstep {

class EarlyExchange;
class HostDomain;
class PartedSlots;
class World;

// What an update is made with: its learning rate, and what the mean gradient is multiplied with before it
// (clip_scale()).
struct UpdateRate {
  double lr = 0;
  double scale = 1;
};

// From backward to update, for one arena: the partial sums of all ranks become the mean over the V
// micro-batches of a step, the same bits on every rank, and that becomes .grad or an update. Once a step, in
// this order: reduce(); loss() and norm(), where somebody wants to know; one of the verbs average(), apply()
// and leave(). The arena and the world outlive it.
class GradientExchange {
 public:
  virtual ~GradientExchange() = default;

  // Local. Where this rank's micro-batches shall leave their partial sums (MicroBatchPass::use()); empty:
  // anywhere.
  virtual std::vector<torch::Tensor> contributions() const { return {}; }
  // Local. Which gradients may stay where autograd has made them (Note [born gradients]) until the next step
  // begins; null: none.
  virtual std::function<bool(const torch::Tensor& gradient)> reads_in_place() const { return nullptr; }

  // What learns from this rank's pass which gradients are complete, and lets them leave (Note [early
  // buckets]); null: all leave in reduce().
  virtual EarlyExchange* early() const { return nullptr; }

  // Collective, before the first step. From here on ranks with memory in common have one copy of the
  // trainable parameters and of the optimizer's slots, those of their first one, where this exchange can do
  // that. Says how many copies there are then.
  virtual StateCopies share_state(ModelArena& /*arena*/, FlatOptimizer& /*optimizer*/) {
    return StateCopies::kOfEachRank;
  }

  // Local, at the end, while nobody copies the state: the parameters are this rank's own again, and written
  // by whoever likes. `arena` is that of share_state().
  virtual void end_sharing(ModelArena& /*arena*/) {}

  // Local, after share_state(). Null where slots are whole.
  virtual PartedSlots* parted_slots() { return nullptr; }

  // Local, behind a point where all ranks met. The state was changed on purpose, on all ranks alike:
  // restored, or started from weights. From here on, where ranks have one copy of the parameters, those can
  // be read only, but through ModelArena::writable_values() (SealedParameters).
  virtual void state_was_written() {}
  // Local. A Fault (78) where the ranks have one copy of the state and somebody else than apply() has changed
  // it since: each rank would have made that change to it.
  virtual std::optional<Fault> touched() const { return std::nullopt; }

  // Collective. `sums`: this rank's, in the order of micro-batches; they may be overwritten. Whoever copies
  // parameters or optimizer state has let them go.
  virtual void reduce(const std::vector<PartialSum>& sums) = 0;
  // Local.
  virtual double loss() const = 0;
  // Collective. Of the mean gradient, as global_norm() takes it.
  virtual double norm() = 0;

  // The verbs; Collective. With the first two the floating buffers become the mean of what the micro-batches
  // left.

  // .grad of each trainable parameter becomes its mean, whatever was there; undefined, as torch.optim sees a
  // parameter that nothing reached. It may be changed in place until the next reduce().
  virtual void average() = 0;
  // One update of `optimizer`, which is the arena's; null: nothing in it is trained.
  virtual void apply(FlatOptimizer* optimizer, const UpdateRate& rate) = 0;
  // The step makes no update: everything stays as it is.
  virtual void leave() = 0;
};

struct ExchangePlan {
  int micro_batches = 1;
  bool fast = false;             // as the backend sums (make_fast_reducer())
  HostDomain* domain = nullptr;  // this rank's, which outlives the exchange; null: ranks exchange messages
  std::string overlap = "off";   // auto|on|off: as DistOptions, of which the next one is too
  double bucket_mb = 25;
  bool sharded = false;  // each domain, by messages each rank, has only those slots that it updates
};

// Collective. The one that fits: make_shared_exchange() where there is a domain with room and nobody else
// sums, on the CPU, for an arena with something to train; else messages, whatever moves them: the mean then
// lies in memory of each rank, and each makes the whole update, or of a sharded state that of its part. Rank
// 0 says whether what travels overlaps with the backward pass.
std::unique_ptr<GradientExchange> make_exchange(World& world, const ModelArena& arena,
                                                const ExchangePlan& plan);

// Collective. Within a host, through memory that its ranks have in common: each sums a slice of what all have
// left there, along the same tree; between hosts those sums travel (DomainMean), in early buckets where there
// is a core for that. With share_state() a rank
// updates its slice in the same pass, and nothing is gathered; else it writes its means for each rank of the
// host: over that rank's first partial sum, or, for an optimizer that each rank has, to a row. Null on all
// ranks where there is no room. For CPU tensors of float32 or float64; the same bits as with
// make_exact_reducer().
std::unique_ptr<GradientExchange> make_shared_exchange(HostDomain& domain, const ModelArena& arena,
                                                       const ExchangePlan& plan);

}  // namespace lockstep
