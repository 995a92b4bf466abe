// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/damage.h"

#include "lockstep/base/log.h"

namespace lockstep {

namespace {

// Names from a damaged file go to a terminal, so they are escaped.
std::string describe(const DamagePlace& place, const std::string& reason) {
  std::string text = "checkpoint " + place.directory + ": ";
  if (!place.file.empty()) text += printable(place.file) + ": ";
  if (!place.tensor.empty()) text += "tensor " + printable(place.tensor) + ": ";
  return text + reason;
}

}  // namespace

CheckpointDamage::CheckpointDamage(DamagePlace place, const std::string& reason)
    : Fault(ExitCode::kNoValidCheckpoint, describe(place, reason)),
      place_(std::move(place)),
      reason_(reason) {}

std::map<std::string, std::string> fields_of(const Fault& why) {
  std::map<std::string, std::string> fields{{"reason", why.what()}};
  if (const auto* damage = dynamic_cast<const CheckpointDamage*>(&why)) {
    fields["reason"] = damage->reason();
    if (!damage->place().file.empty()) fields["file"] = damage->place().file;
    if (!damage->place().tensor.empty()) fields["tensor"] = damage->place().tensor;
  }
  return fields;
}

}  // namespace lockstep
