// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "checkpoint/reader.h"
#include "lockstep/base/disk.h"
#include "shelf/generation.h"

namespace lockstep {

inline constexpr const char* kLedgerFile = "verified";

// What a full look at a checkpoint said.
enum class Soundness { kGood, kBad };

// The file <run>/ckpt/verified: what the last full look at each checkpoint said, so that people see it and a
// bad one that cannot be moved aside is not read whole at every start. A hint: a restore verifies good ones
// all the same. A line counts only while manifest, lengths and times of the files are those that were looked
// at. Local; safe from one thread; other processes may replace the file, and the last one wins.
class VerifiedLedger {
 public:
  VerifiedLedger(Disk& disk, std::string folder);
  // The file is made in `generation`, somebody else's.
  VerifiedLedger(Disk& disk, std::string folder, const Generation& generation);

  // What was noted about the checkpoint as it lies there now. Empty when nothing was, or when it has changed.
  // Never throws for the ledger's sake: one that cannot be read says nothing.
  std::optional<Soundness> of(const CheckpointReader& checkpoint) const;

  // Notes it durably, and forgets checkpoints that are gone. False when the folder cannot be written.
  bool note(const CheckpointReader& checkpoint, Soundness verdict);

 private:
  struct Line {
    std::string directory;
    Soundness verdict = Soundness::kGood;
    Digest seen;
  };
  std::string text() const;
  std::vector<Line> lines() const;
  static std::optional<Line> parse(const std::string& text);
  Digest as_it_lies(const CheckpointReader& checkpoint) const;

  Disk& disk_;
  std::string folder_;
  const Generation* generation_ = nullptr;
};

}  // namespace lockstep
