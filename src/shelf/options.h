// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/enum_words.h"

namespace lockstep {

// Which value of a metric is the best.
enum class BestMode { kMin, kMax };
// kAuto: by the size of the state and the number of ranks.
enum class SaveLayout { kAuto, kConsolidated, kSharded };
// A save that is due by its number while one is still being written.
enum class OnBusy { kWait, kSkip };
// A save that failed: 74 at once, or an event and a warning, and 74 at the third in a row.
enum class OnError { kStop, kContinue };
// What a run goes on from: kAuto the newest checkpoint, if there is one; kMust as well, but there must be
// one; kNever nothing.
enum class ResumeFrom { kAuto, kMust, kNever, kPath };

template <>
struct EnumWords<BestMode> {
  static constexpr std::array<std::string_view, 2> words = {"min", "max"};
};
template <>
struct EnumWords<SaveLayout> {
  static constexpr std::array<std::string_view, 3> words = {"auto", "consolidated", "sharded"};
};
template <>
struct EnumWords<OnBusy> {
  static constexpr std::array<std::string_view, 2> words = {"wait", "skip"};
};
template <>
struct EnumWords<OnError> {
  static constexpr std::array<std::string_view, 2> words = {"stop", "continue"};
};
template <>
struct EnumWords<ResumeFrom> {
  static constexpr std::array<std::string_view, 3> words = {"auto", "must", "never"};
};

// checkpoint.keep_best: evaluations that beat the best so far are saved and kept. count 0: off.
struct KeepBest {
  std::string metric = "valid_loss";
  BestMode mode = BestMode::kMin;
  std::int64_t count = 0;
};

// The `checkpoint` section.
struct CheckpointOptions {
  std::int64_t every_steps = 0;  // 0: not by number; the last step is always saved
  double every_minutes = 0;      // 0: not by the clock
  double time_share = 0;         // of all time that saves by the clock may take; 0: as much as they do
  SaveLayout layout = SaveLayout::kAuto;
  bool async = true;  // write while training goes on
  OnBusy on_busy = OnBusy::kWait;
  std::int64_t keep_last = 3;
  std::int64_t keep_every = 0;  // steps divisible by this are kept for ever; 0: none
  KeepBest keep_best;
  std::int64_t keep_behind = 0;  // one that is so many steps older than the newest is kept; 0: none
  OnError on_error = OnError::kStop;
  std::int64_t writers = 3;        // threads that write one file
  bool verify_after_save = false;  // read everything back from the disk before the commit
};

// What resume.allow_changes calls a change of what is frozen; no key, since the model decides it.
inline constexpr const char* kModelFrozen = "model.frozen";

// The `resume` section.
struct ResumeOptions {
  std::string mode = "auto";               // auto|must|never, or the path of a checkpoint
  std::vector<std::string> allow_changes;  // config keys that may differ although they usually may not

  ResumeFrom from() const { return from_word<ResumeFrom>(mode).value_or(ResumeFrom::kPath); }
  // Is it this run's newest checkpoint that is wanted?
  bool newest() const { return from() == ResumeFrom::kAuto || from() == ResumeFrom::kMust; }
};

}  // namespace lockstep
