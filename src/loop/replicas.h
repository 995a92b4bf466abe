// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/agree.h"
#include "lockstep/base/disk.h"
#include "loop/reporter.h"
#include "loop/saved_state.h"

namespace lockstep {

// What one rank holds, as a save or a step sees it.
struct ReplicaCopy {
  std::string host;
  std::string digest;  // of parameters and optimizer slots
  std::string rest;    // of buffers and step counts; only a save looks at them

  bool operator==(const ReplicaCopy& other) const { return digest == other.digest && rest == other.rest; }
};

// Those that are unlike most; all of them where there is no majority.
struct OddRanks {
  std::vector<int> ranks;
  bool majority = true;
};
OddRanks odd_ranks(const std::vector<ReplicaCopy>& copies);

// Note [replicas]: every rank has its own copy of parameters and optimizer slots, and applies the same update
// to it. A copy that has changed by itself (memory, a processor, a library) trains on and spoils the run.
// So a hash of a slice of it goes with each step's agreement, another slice with the next: all of it within
// `every` steps. And before a save is committed the whole state of all ranks is compared, so that no
// checkpoint has a copy that was not everybody's. Nothing of it is done in a world of one, or at 0.
class Replicas {
 public:
  // The referenced parts outlive it.
  struct Parts {
    World& world;
    Disk& disk;
    Reporter& reporter;
    SavedState& state;
    std::string directory;  // <run>
  };
  Replicas(const Parts& parts, std::int64_t every);

  bool watches() const { return every_ > 0; }
  // Local, before the first step, on all ranks: their copies are known to drift apart.
  void expect_differences() { every_ = 0; }

  // Local, on rank 0: a former life that could not tell which of two copies was wrong left them.
  void recall();
  // Local, between two updates. The hash of this step's slice. Where a former life left copies of this step,
  // says which of them was wrong.
  std::uint64_t slice(Step step);
  // Collective, where the slices differed: looks at all of the copies. Throws AgreedFault (70) naming rank
  // and host of the one that is unlike most, and notes the copies where nobody knows.
  [[noreturn]] void end(Step step, Step saved);

  // Local. Of buffers and step counts, on the training thread.
  std::string rest();
  // Local. Of all other persisted tensors, in host memory (where they live, or a device's copy); on any
  // thread, while they do not change.
  std::string frozen() const;
  // Local. For the way to rank 0.
  ReplicaCopy copy(std::string digest, std::string rest) const;
  // Local, on rank 0. Throws Fault (70) when the copies of a save are not all alike.
  void compare(Step step, const std::vector<ReplicaCopy>& copies, Step saved);

 private:
  struct Case {
    Step step{0};
    std::vector<ReplicaCopy> copies;
  };
  Fault differing(Step step, const std::vector<ReplicaCopy>& copies, Step saved);
  void judge(Step step);
  std::string live() const;
  bool is_here(const TensorKey& key) const;

  Parts parts_;
  std::int64_t every_;
  std::vector<torch::Tensor> flat_;  // all that slices are of
  std::int64_t slice_bytes_ = 0;
  std::int64_t slices_ = 1;
  std::optional<Case> open_;
};

// One line, and back.
std::string encode_copy(const ReplicaCopy& copy);
ReplicaCopy decode_copy(const std::string& text);

}  // namespace lockstep
