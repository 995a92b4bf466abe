// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/shard.h"
#include "checkpoint/state.h"

namespace lockstep {

class World;

// The slot of step counts.
inline constexpr const char* kStepSlot = "step";

// What checkpoints keep of a training that goes on meanwhile. Local; on the training thread, unless said
// otherwise.
class SavedState {
 public:
  // A tensor in place; small things that are copied at each save (step counts, numbers) are none of these.
  struct Persisted {
    TensorKey key;
    torch::Tensor live;
    torch::Tensor host;   // live itself, where that is in host memory; else pinned memory
    bool steady = false;  // changed by an update alone; the others also while a step is computed
    bool shared = true;   // the same on every rank by a reduction
  };

  virtual ~SavedState() = default;

  virtual torch::Device device() const = 0;
  virtual const std::vector<Persisted>& persisted() const = 0;

  // All tensors to keep, in host memory that stays valid until the next call of either function. On the CPU
  // no byte of the persisted ones is copied; all others are copies.
  std::vector<StateTensor> tensors();
  // The same without the copy from the device: what is there are the bytes of an earlier copy.
  virtual std::vector<StateTensor> host_tensors() = 0;

  // Bytes of all that is kept.
  virtual std::uint64_t bytes() = 0;

  // Before a save: takes what is not in place as it is now. True when other tensors are there than before, or
  // of other shapes.
  virtual bool refresh() { return false; }
  // Collective. Throws AgreedFault (70) when what no reduction makes equal differs between the ranks.
  virtual void require_alike(World& world) const = 0;

  // What ranks compare of their copies (Note [replicas]): the flat tensors that an update changes, and a
  // digest of all else.
  virtual std::vector<torch::Tensor> replicated() const = 0;
  virtual std::string digest_of_rest() const = 0;

  // Where ranks have parts of the state only (optim.sharded), what is to be written is brought together
  // first. Collective. Each rank has what `planned` makes it write, or rank 0 has all of the state; until
  // let_go().
  enum class Fetch { kOwnPieces, kAllOnRoot };
  virtual bool is_parted() const { return false; }
  virtual void fetch(World& /*world*/, const PlannedState& /*planned*/, Fetch /*what*/) {}
  virtual void let_go() {}
  // Local. Host memory that the first takes on this rank.
  virtual std::uint64_t bytes_to_fetch(World& /*world*/, const PlannedState& /*planned*/) const { return 0; }

  // A save copies what is steady beside the loop. Where somebody else than the update might change it
  // meanwhile, versions are noted as the copy begins, and what was changed is named as it ends (any thread).
  virtual void note_versions() {}
  virtual std::string changed_since() const { return ""; }

 protected:
  // `live` with memory on the host: pinned, so that a copy from a device runs beside the training.
  static Persisted persist(TensorKey key, const torch::Tensor& live, bool steady);
  static StateTensor in_host_memory(const Persisted& item);
};

}  // namespace lockstep
