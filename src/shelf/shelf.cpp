// SPDX-License-Identifier: Apache-2.0
#include "shelf/shelf.h"

#include <cmath>

#include "checkpoint/damage.h"
#include "shelf/pointer.h"
#include "shelf/tags.h"
#include "shelf/verified_ledger.h"

namespace lockstep {
namespace {

// JSON has no infinity.
std::optional<double> as_written(const std::map<std::string, double>& metrics, const std::string& metric) {
  const auto found = metrics.find(metric);
  if (found == metrics.end()) return std::nullopt;
  return std::isfinite(found->second) ? found->second : std::nan("");
}

}  // namespace

RetentionEntry retention_entry(const TrainRecord& record, const std::string& metric) {
  return {record.step, as_written(record.metrics, metric)};
}

std::vector<CatalogEntry> Shelf::entries(EntryKind kind) const {
  std::vector<CatalogEntry> all = list_catalog(disk_, folder_);
  std::erase_if(all, [&](const CatalogEntry& entry) { return entry.kind != kind; });
  return all;
}

std::unique_ptr<CheckpointReader> Shelf::open(const std::string& name) const {
  auto reader = CheckpointReader::open(disk_, path(name));
  if (ledger_.of(*reader) == Soundness::kBad)
    throw CheckpointDamage({reader->directory(), "", ""},
                           "it did not verify when it was last read, and has not changed since");
  return reader;
}

std::optional<Step> Shelf::best() const {
  const auto pointer = read_pointer(disk_, path("best"));
  return pointer ? step_from_name(pointer->directory) : std::nullopt;
}

std::vector<RetentionEntry> Shelf::usable(const std::string& metric) {
  std::vector<RetentionEntry> usable;
  for (const CatalogEntry& entry : entries(EntryKind::kCheckpoint)) {
    if (bad_.contains(entry.step)) continue;
    try {
      if (!known_.contains(entry.step)) know(open(entry.name)->record());
    } catch (const Fault&) {
      continue;
    }
    usable.push_back({entry.step, as_written(known_.at(entry.step), metric)});
  }
  return usable;
}

std::vector<RetentionEntry> Shelf::usable(const std::string& metric, std::vector<std::string>& unreadable) {
  TaggedSteps tagged = tagged_steps(disk_, folder_);
  unreadable = std::move(tagged.damaged);
  std::vector<RetentionEntry> all = usable(metric);
  for (RetentionEntry& entry : all) entry.pinned = tagged.steps.contains(entry.step);
  return all;
}

}  // namespace lockstep
