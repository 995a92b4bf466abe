// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/file_plan.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "checkpoint/hdf5/link_name.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

// What a stranger who opens the file needs to know first.
Hdf5Group root(const char* kind) {
  return {"/", {{"format", std::string(kind)}, {"format_version", std::int64_t{kNewestFormat}}}};
}

Hdf5Group train_group(const TrainRecord& record) {
  Hdf5Group group{"/train",
                  {{"step", record.step.value},
                   {"epoch", record.epoch.value},
                   {"steps_per_epoch", record.steps_per_epoch},
                   {"loss", record.loss},
                   {"lr", record.lr},
                   {"seed", record.seed},
                   {"run_id", record.run_id},
                   {"micro_batches", record.micro_batches},
                   {"world", std::int64_t{record.world.value}},
                   {"attempt", std::int64_t{record.attempt.value}},
                   {"config", nlohmann::json(record.config).dump()},
                   {"environment", nlohmann::json(record.environment).dump()},
                   {"metadata", record.metadata}}};
  for (const auto& [name, value] : record.metrics)
    group.attributes.push_back({"metric." + encode_link(name), value});
  for (const auto& [name, value] : record.best)
    group.attributes.push_back({"best." + encode_link(name), value});
  return group;
}

// The groups of a file that holds all kinds of tensors.
std::vector<Hdf5Group> groups_of(const char* kind, const TrainRecord& record,
                                 const std::set<std::string>& slots) {
  std::vector<Hdf5Group> groups{root(kind), {"/model", {}}, {"/optimizer", {}}};
  for (const std::string& slot : slots) {
    check(encode_link(slot) == slot, "an optimizer slot is a plain word");
    groups.push_back({"/optimizer/" + slot, {}});
  }
  groups.push_back(train_group(record));
  return groups;
}

// What a manifest makes of a record, so that its index is the same bytes before and after: JSON has neither
// NaN nor infinity, nor the white space of metadata.
TrainRecord as_read_back(TrainRecord record) {
  const auto through_json = [](double& value) {
    if (!std::isfinite(value)) value = std::nan("");
  };
  through_json(record.loss);
  through_json(record.lr);
  for (auto* values : {&record.metrics, &record.best})
    for (auto& [name, value] : *values) through_json(value);
  record.metadata = nlohmann::ordered_json::parse(record.metadata).dump();
  return record;
}

void add_datasets(Hdf5Plan& plan, std::span<const StateTensor> tensors) {
  for (const StateTensor& tensor : tensors)
    plan.datasets.push_back({dataset_path(tensor.key), tensor.dtype, tensor.shape});
}

}  // namespace

std::string dataset_path(const TensorKey& key) {
  return (key.in_model() ? "/model/" : "/optimizer/" + key.slot + "/") + encode_link(key.name);
}

Hdf5Plan plan_checkpoint_file(const TrainRecord& record, std::span<const StateTensor> tensors) {
  std::set<std::string> slots;
  for (const StateTensor& tensor : tensors)
    if (!tensor.key.in_model()) slots.insert(tensor.key.slot);
  Hdf5Plan plan{groups_of("lockstep-checkpoint", record, slots), {}};
  add_datasets(plan, tensors);
  return plan;
}

std::vector<Hdf5Group> index_groups(const Manifest& manifest) {
  std::set<std::string> slots;
  for (const ManifestTensor& tensor : manifest.tensors)
    if (!tensor.key.in_model()) slots.insert(tensor.key.slot);
  return groups_of("lockstep-index", as_read_back(manifest.record), slots);
}

// Without a manifest beside it, the file itself has to carry the digests.
Hdf5Plan plan_weights_file(const Manifest& from, std::span<const StateTensor> tensors) {
  nlohmann::json digests = nlohmann::json::object();
  for (const ManifestTensor& tensor : from.tensors)
    if (tensor.key.in_model()) digests[tensor.key.name] = tensor.digest.hex();
  Hdf5Plan plan;
  plan.groups = {root("lockstep-weights"),
                 {"/model",
                  {{"step", from.record.step.value},
                   {"epoch", from.record.epoch.value},
                   {"loss", from.record.loss},
                   {"run_id", from.record.run_id},
                   {"state_hash", from.state_hash.hex()},
                   {"metadata", from.record.metadata},
                   {"digests", digests.dump()}}}};
  for (const auto& [name, value] : from.record.metrics)
    plan.groups.back().attributes.push_back({"metric." + encode_link(name), value});
  add_datasets(plan, tensors);
  return plan;
}

std::vector<Hdf5Group> imported_groups(std::optional<std::int64_t> step, const std::string& digests,
                                       const std::vector<std::string>& slots) {
  std::vector<Hdf5Group> groups{root("lockstep-weights"), {"/model", {{"digests", digests}}}};
  if (step) groups.back().attributes.push_back({"step", *step});
  if (!slots.empty()) groups.push_back({"/optimizer", {}});
  for (const std::string& slot : slots) groups.push_back({"/optimizer/" + slot, {}});
  return groups;
}

}  // namespace lockstep
