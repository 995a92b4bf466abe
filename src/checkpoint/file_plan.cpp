// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/file_plan.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "hdf5/link_name.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

// What a stranger who opens the file needs to know first.
Hdf5Group root(const char* kind, int format = kNewestFormat) {
  return {"/", {{"format", std::string(kind)}, {"format_version", std::int64_t{format}}}};
}

// What an evaluation added after the save (note_as_saved) stands in the manifest alone: the files know
// neither its metrics nor its best.
TrainRecord as_saved(TrainRecord record) {
  auto extra = nlohmann::ordered_json::parse(record.extra);
  const auto added = extra.find(kBestAsSaved);
  if (added == extra.end() || !added->is_object()) return record;
  record.metrics.clear();
  record.best.clear();
  for (const auto& [name, value] : added->items())
    record.best[name] = value.is_number() ? value.get<double>() : std::nan("");
  extra.erase(added);
  record.extra = extra.dump();
  return record;
}

Hdf5Group train_group(const TrainRecord& whole, int format) {
  const TrainRecord record = as_saved(whole);
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
  if (format < 3) return group;
  group.attributes.push_back({"epoch_offset", record.epoch_offset});
  group.attributes.push_back({"epoch_samples", record.epoch_samples});
  group.attributes.push_back({"eval_modules", nlohmann::json(record.eval_modules).dump()});
  group.attributes.push_back({"frozen", nlohmann::json(record.frozen).dump()});
  group.attributes.push_back({"extra", record.extra});
  return group;
}

// The groups below / that hold tensors, parents first; /model and /optimizer are there without any, too.
template <class Tensors>
std::set<std::string> tensor_groups(const Tensors& tensors) {
  std::set<std::string> groups{"/model", "/optimizer"};
  for (const auto& tensor : tensors) {
    if (tensor.key.in_model()) continue;
    const std::string& word = tensor.key.in_extra() ? tensor.key.section : tensor.key.slot;
    check(encode_link(word) == word, "an optimizer slot and a section are plain words");
    if (tensor.key.in_extra()) groups.insert("/extra");
    groups.insert("/" + tensor.key.group());
  }
  return groups;
}

// The groups of a file that holds all kinds of tensors.
template <class Tensors>
std::vector<Hdf5Group> groups_of(const Hdf5Group& root, const Hdf5Group& train, const Tensors& tensors) {
  std::vector<Hdf5Group> groups{root};
  for (const std::string& path : tensor_groups(tensors)) groups.push_back({path, {}});
  groups.push_back(train);
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
  for (std::string* text : {&record.metadata, &record.extra})
    *text = nlohmann::ordered_json::parse(*text).dump();
  return record;
}

void add_datasets(Hdf5Plan& plan, std::span<const StateTensor> tensors) {
  for (const StateTensor& tensor : tensors)
    plan.datasets.push_back({dataset_path(tensor.key), tensor.dtype, tensor.shape});
}

}  // namespace

void note_as_saved(TrainRecord& record) {
  auto extra = nlohmann::ordered_json::parse(record.extra);
  if (extra.contains(kBestAsSaved)) return;
  extra[kBestAsSaved] = record.best;
  record.extra = extra.dump();
}

std::string dataset_path(const TensorKey& key) {
  return "/" + key.group() + "/" + encode_link(key.name);
}

Hdf5Plan plan_checkpoint_file(const TrainRecord& record, std::span<const StateTensor> tensors) {
  Hdf5Plan plan{groups_of(root("lockstep-checkpoint"), train_group(record, kNewestFormat), tensors), {}};
  add_datasets(plan, tensors);
  return plan;
}

std::vector<Hdf5Group> index_groups(const Manifest& manifest) {
  // In the manifest's own format, so that an old index is made anew byte for byte.
  return groups_of(root("lockstep-index", manifest.format),
                   train_group(as_read_back(manifest.record), manifest.format), manifest.tensors);
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
