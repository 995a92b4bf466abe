// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lockstep/base/disk.h"
#include "lockstep/base/units.h"
#include "train/options.h"

namespace lockstep {

// Once a run went back because of step `at`; its steps first to last make no update since then.
struct Rollback {
  Step at{0};
  Step first{0};
  Step last{0};
};

// Note [left out]: steps that make no update but keep their number, so that the place in the data and the
// learning rate stay functions of the step. A run whose numbers went wrong is a function of its config, its
// data and this record. So the record is durable before the run goes on, in <run>/left_out.json, and every
// checkpoint has a copy: a life after a kill leaves out the same steps without looking at them. Local.
class LeftOut {
 public:
  bool contains(Step step) const;
  bool empty() const { return skipped_.empty() && rollbacks_.empty(); }

  void skip(Step step) { skipped_.insert(step); }
  // Skipped steps in a row that end just before this one.
  int skipped_before(Step step) const;

  // Around `bad`: half of the batches before it, but none from before the steps that are done anew.
  static Rollback around(Step bad, const RollbackOptions& options);
  // Until forget_way() the way back is not complete: what is newer than `limit` is yet to be left aside.
  void roll_back(const Rollback& rollback, Step limit);
  void forget_way() { limit_.reset(); }
  std::optional<Step> way_back() const { return limit_; }
  // The last rollbacks of which each but the first had come no more than `steps` past the bad step before it,
  // as `now` has not either: all of them were of no use.
  int fruitless_before(Step now, std::int64_t steps) const;

  std::int64_t skipped() const { return std::ssize(skipped_); }
  std::int64_t rollbacks() const { return std::ssize(rollbacks_); }

  // JSON; decode() throws Fault (65) for what encode() does not write.
  std::string encode() const;
  static LeftOut decode(const std::string& text);

 private:
  std::set<Step> skipped_;
  std::vector<Rollback> rollbacks_;  // in the order in which they happened
  std::optional<Step> limit_;
};

// Local. The record of a run directory; empty where there is none. Throws Fault (65) naming a file that is
// none.
std::optional<std::string> read_left_out(Disk& disk, const std::string& directory);
// Local. Replaces it, durably. Throws Fault (74).
void write_left_out(Disk& disk, const std::string& directory, const LeftOut& left_out);

}  // namespace lockstep
