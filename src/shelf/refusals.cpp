// SPDX-License-Identifier: Apache-2.0
#include "shelf/refusals.h"

#include "checkpoint/damage.h"
#include "lockstep/base/error.h"

namespace lockstep {

std::unique_ptr<CheckpointReader> Refusals::open(const std::string& name, Scrutiny scrutiny,
                                                 std::string& reason) {
  std::unique_ptr<CheckpointReader> reader;
  try {
    reader = shelf_.open(name);
    if (scrutiny == Scrutiny::kEveryByte) {
      reader->verify();
      ledger_.note(*reader, Soundness::kGood);
    }
    return reader;
  } catch (const Fault& fault) {
    reason = fault.what();
    refuse(name, reader.get(), fault);
  }
  return nullptr;
}

void Refusals::refuse(const std::string& name, const CheckpointReader* reader, const Fault& why) {
  std::map<std::string, std::string> fields = fields_of(why);
  fields["directory"] = name;
  refused_.insert(name);
  set_aside(name, why.code() == ExitCode::kNoValidCheckpoint ? reader : nullptr, fields);
  event_("checkpoint_refused", fields);
}

void Refusals::set_aside(const std::string& name, const CheckpointReader* damaged,
                         std::map<std::string, std::string>& fields) {
  generation_.require();
  Disk& disk = shelf_.disk();
  try {
    const std::string aside = free_name(disk, shelf_.folder(), name + ".bad");
    disk.rename(shelf_.path(name), shelf_.path(aside));
    fields["moved_to"] = aside;
    disk.sync_directory(shelf_.folder());
  } catch (const Fault& fault) {
    if (fields.contains("moved_to")) return;  // back in its place after a power cut, it is refused again
    fields["not_moved"] = fault.fact();
    fields["remembered"] = damaged && ledger_.note(*damaged, Soundness::kBad) ? "yes" : "no";
    if (const auto step = step_from_name(name)) shelf_.disregard(*step);
  }
}

}  // namespace lockstep
