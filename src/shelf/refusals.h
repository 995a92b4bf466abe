// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "shelf/generation.h"
#include "shelf/shelf.h"
#include "shelf/store.h"
#include "shelf/verified_ledger.h"

namespace lockstep {

// How closely a checkpoint is looked at before it is handed out.
enum class Scrutiny { kManifestAndLengths, kEveryByte };

// Checkpoints that cannot be used: told to the run, moved out of the way of the next commit of that step, and
// kept for a person to look at. Local; one thread.
class Refusals {
 public:
  Refusals(Shelf& shelf, VerifiedLedger& ledger, const Generation& generation, CheckpointEvent event)
      : shelf_(shelf), ledger_(ledger), generation_(generation), event_(std::move(event)) {}

  // The reader of a good one, or empty once a bad one is refused; then `reason` says why.
  std::unique_ptr<CheckpointReader> open(const std::string& name, Scrutiny scrutiny, std::string& reason);
  // What is unreadable twice is as good as damaged. Where it cannot be moved, it is remembered, so that no
  // later start reads it whole again. Throws Fault (77).
  void refuse(const std::string& name, const CheckpointReader* reader, const Fault& why);
  // By this object.
  bool refused(const std::string& name) const { return refused_.contains(name); }

 private:
  void set_aside(const std::string& name, const CheckpointReader* damaged,
                 std::map<std::string, std::string>& fields);

  Shelf& shelf_;
  VerifiedLedger& ledger_;
  const Generation& generation_;
  CheckpointEvent event_;
  std::set<std::string> refused_;
};

}  // namespace lockstep
