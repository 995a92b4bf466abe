// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "lockstep/base/error.h"

namespace lockstep {

// Where in a checkpoint something is wrong.
struct DamagePlace {
  std::string directory;
  std::string file;    // empty: the directory as a whole
  std::string tensor;  // path of the tensor the damage lies in; empty: outside all of them, or unknown
};

// Fault (65): a checkpoint that must not be used, with the place for events.jsonl. what() says all of it.
class CheckpointDamage : public Fault {
 public:
  CheckpointDamage(DamagePlace place, const std::string& reason);

  const DamagePlace& place() const noexcept { return place_; }
  const std::string& reason() const noexcept { return reason_; }

 private:
  DamagePlace place_;
  std::string reason_;
};

// Local. What an event says of a checkpoint that was refused: reason, and file and tensor where they are
// known.
std::map<std::string, std::string> fields_of(const Fault& why);

}  // namespace lockstep
