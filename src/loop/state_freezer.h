// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/shard.h"
#include "lockstep/comm/world.h"
#include "loop/saved_state.h"
#include "memory/sparse_memory.h"

namespace lockstep {

// Note [freeze]: parameters and optimizer slots change in an update alone. So a save needs no
// pause: they are copied while the next forward and backward run, and only the next apply() waits, if the
// copy has not ended by then. What a forward changes (buffers) is small and is copied at once. On the CPU the
// thread that writes copies, into memory that stays for the whole run; on a device the copy engine does, into
// pinned memory. One freeze at a time.
class StateFreezer {
 public:
  // `state` outlives it.
  explicit StateFreezer(SavedState& state);

  // Local. Bytes of host memory that freezing these pieces takes.
  static std::uint64_t staging_bytes(std::span<const StateTensor> tensors,
                                     std::span<const ShardPiece> pieces);

  // Collective, once before all: makes the memory for freezing what this rank writes of a save real. Nothing
  // to do on a device, whose pinned memory is there already. Throws AgreedFault (69) when there is none.
  void prepare(const PlannedState& planned, World& world);

  // Local, on the training thread. `tensors` are host_tensors() of the state: the persisted ones that
  // prepare() had, and step counts, which are frozen already. Those of `mine` then point to where their
  // frozen bytes will be once copy() has returned. `all`: on a device the others are copied as well.
  void begin(std::span<StateTensor> tensors, std::span<const ShardPiece> mine, bool all = false);
  // On the thread that writes, once after begin(). Returns the digests of the leaves of each piece, when the
  // copy makes them: each byte is read from memory once for both.
  std::vector<std::vector<Digest>> copy();
  // Local, once copy() has returned: what was changed while it copied, and so may be of no one moment. Empty:
  // nothing.
  const std::string& spoiled() const { return spoiled_; }
  // Local, on the training thread, before apply(): until the copy no longer needs the live state. A device
  // waits, the host does not.
  void release();

 private:
  struct Copy {
    StateTensor from;
    std::byte* to = nullptr;  // null: it was copied at once
  };
  void make_memory(std::span<const StateTensor> tensors, std::span<const ShardPiece> mine);
  void stage_on_cpu(std::span<StateTensor> tensors, std::span<const ShardPiece> mine);
  void stage_on_device(const std::set<std::string>& wanted);
  // The staged bytes of a tensor, laid out like the whole state so that a piece lies where its tensor would;
  // only the pages of our own pieces are ever real.
  std::span<std::byte> staged(const StateTensor& tensor) const;

  SavedState& state_;
  std::unique_ptr<SparseMemory> memory_;
  std::map<std::string, std::size_t> places_;  // in it, by the tensor's path
  std::vector<Copy> copies_;
  std::unique_ptr<c10::Event> arrived_;  // on a device: all is in pinned memory
  std::string spoiled_;
  std::atomic<bool> copied_ = true;
};

}  // namespace lockstep
