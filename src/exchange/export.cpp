// SPDX-License-Identifier: Apache-2.0
#include "exchange/export.h"

#include <nlohmann/json.hpp>
#include <set>

#include "checkpoint/file_plan.h"
#include "checkpoint/file_writer.h"
#include "exchange/export_parts.h"
#include "exchange/formats/json_value.h"
#include "exchange/formats/pickle_writer.h"
#include "exchange/formats/safetensors_format.h"
#include "exchange/formats/safetensors_writer.h"
#include "exchange/formats/torch_writer.h"
#include "exchange/grad_scaler.h"
#include "exchange/param_groups.h"
#include "exchange/python_optimizer.h"
#include "hdf5/link_name.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

template <class Write>
std::uint64_t write_synced(Disk& disk, const std::string& path, Write write) {
  const auto file = disk.create(path);
  const std::uint64_t bytes = write(*file);
  file->sync();
  file->close();
  return bytes;
}

// A .pth: the value to pickle, and the storages its tensors are views of.
class TorchExport {
 public:
  TorchExport(const CheckpointReader& from, const TiedNames& tied)
      : from_(from), manifest_(from.manifest()), tied_(tied) {}

  std::uint64_t write(Disk& disk, const std::string& path, bool weights_only) {
    const PyValue* root = weights_only ? state_dict() : checkpoint();
    CheckpointBytes bytes(from_, order_);
    std::vector<OutgoingTensor> storages;
    for (std::size_t i = 0; i < order_.size(); ++i)
      storages.push_back({{std::to_string(i), order_[i]->dtype, order_[i]->shape},
                          [&bytes, i](std::span<std::byte> into) { bytes.fill(i, into); }});
    return write_synced(disk, path,
                        [&](WritableFile& file) { return write_torch_file(file, *root, storages); });
  }

 private:
  // A tensor over a storage of its own, which is the next one of the file.
  PyValue* tensor(const ManifestTensor& stored) {
    order_.push_back(&stored);
    return pool_.tensor(whole_storage(std::to_string(order_.size() - 1), stored.dtype, stored.shape));
  }

  PyValue* state_dict() {
    PyValue* dict = pool_.make(ValueKind::kOrderedDict);
    std::map<std::string, PyValue*> by_name;
    for (const ManifestTensor* stored : model_in_order(manifest_)) {
      by_name[stored->key.name] = tensor(*stored);
      put(*dict, pool_.text(stored->key.name), by_name[stored->key.name]);
    }
    // The same storage: Python ties them again.
    for (const auto& [name, first] : tied_) put(*dict, pool_.text(name), by_name.at(first));
    return dict;
  }

  PyValue* checkpoint() {
    const TrainRecord& record = manifest_.record;
    PyValue* root = pool_.make(ValueKind::kDict);
    const auto set = [&](const char* key, PyValue* value) { put(*root, pool_.text(key), value); };
    // In Python `epoch: e` means that e is complete, and a loop goes on at e + 1.
    const std::int64_t complete = record.epoch.value - (record.epoch_is_over() ? 0 : 1);
    set("epoch", pool_.integer(complete));
    set("step", pool_.integer(record.step.value));
    set("model_state_dict", state_dict());
    set("optimizer_state_dict",
        python_optimizer(
            manifest_, pool_, [this](const ManifestTensor& stored) { return tensor(stored); },
            never_updated()));
    set("loss", pool_.real(record.loss));
    PyValue* metrics = pool_.make(ValueKind::kDict);
    for (const auto& [name, value] : record.metrics) put(*metrics, pool_.text(name), pool_.real(value));
    set("metrics", metrics);
    set("metadata", value_of(nlohmann::ordered_json::parse(record.metadata), pool_));
    auto extra = nlohmann::ordered_json::parse(record.extra);
    extra.erase(kParamGroups);  // the optimizer has them
    if (!extra.empty()) set("extra", value_of(extra, pool_));
    if (const auto scaler = scaler_of(record.extra)) set("scaler_state_dict", python_scaler(*scaler, pool_));
    if (PyValue* sections = extra_tensors()) set("extra_tensors", sections);
    return root;
  }

  // {section: {name: tensor}}; null where there are none.
  PyValue* extra_tensors() {
    std::map<std::string, PyValue*> sections;
    for (const ManifestTensor& stored : manifest_.tensors) {
      if (!stored.key.in_extra()) continue;
      PyValue*& section = sections[stored.key.section];
      if (section == nullptr) section = pool_.make(ValueKind::kDict);
      put(*section, pool_.text(stored.key.name), tensor(stored));
    }
    if (sections.empty()) return nullptr;
    PyValue* all = pool_.make(ValueKind::kDict);
    for (const auto& [name, section] : sections) put(*all, pool_.text(name), section);
    return all;
  }

  // Parameters whose own step count is 0.
  std::set<std::string> never_updated() const {
    std::set<std::string> names;
    for (const ManifestTensor& stored : manifest_.tensors) {
      float count = 1;
      if (stored.key.slot != "step" || byte_count(stored) != sizeof count) continue;
      const MutableStateTensor into{stored, std::as_writable_bytes(std::span(&count, 1))};
      from_.read({&into, 1}, /*all=*/false);
      if (count == 0) names.insert(stored.key.name);
    }
    return names;
  }

  const CheckpointReader& from_;
  const Manifest& manifest_;
  const TiedNames& tied_;
  ValuePool pool_;
  std::vector<const ManifestTensor*> order_;
};

// safetensors has no shared tensors: as its own library does, the header says which name is left out for
// which.
std::map<std::string, std::string> safetensors_metadata(const TiedNames& tied) {
  std::map<std::string, std::string> metadata = tied;
  metadata["format"] = "pt";
  return metadata;
}

// safetensors: one file, or a folder of shards and their index.
class SafetensorsExport {
 public:
  SafetensorsExport(Disk& disk, const CheckpointReader& from, const TiedNames& tied)
      : disk_(disk), order_(sorted(from)), bytes_(from, order_), metadata_(safetensors_metadata(tied)) {
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (order_[i]->key.name == safetensors::kMetadata)
        throw Fault(ExitCode::kConfig, "a tensor named __metadata__ cannot be in a safetensors file");
      tensors_.push_back({{order_[i]->key.name, order_[i]->dtype, order_[i]->shape},
                          [this, i](std::span<std::byte> into) { bytes_.fill(i, into); }});
    }
  }

  void write_file(const std::string& path) { write(path, tensors_); }

  // Returns the names of the files in `folder`.
  std::vector<std::string> write_shards(const std::string& folder, std::uint64_t max_bytes) {
    disk_.make_directory(folder);
    std::vector<std::string> names;
    const auto shards = split_into_shards(tensors_, max_bytes);
    for (const SafetensorsShard& shard : shards) {
      write(folder + "/" + shard.name, shard.tensors);
      names.push_back(shard.name);
    }
    const std::string index = safetensors_index(shards);
    write_synced(disk_, folder + "/" + kSafetensorsIndex, [&](WritableFile& file) {
      file.write_at(0, std::as_bytes(std::span(index)));
      return index.size();
    });
    names.push_back(kSafetensorsIndex);
    // The names must be there before the rename makes them count.
    disk_.sync_directory(folder);
    return names;
  }

 private:
  static std::vector<const ManifestTensor*> sorted(const CheckpointReader& from) {
    std::vector<const ManifestTensor*> order = model_in_order(from.manifest());
    sort_by_alignment(order);
    return order;
  }

  void write(const std::string& path, const std::vector<OutgoingTensor>& tensors) {
    write_synced(disk_, path,
                 [&](WritableFile& file) { return write_safetensors(file, tensors, metadata_); });
  }

  Disk& disk_;
  std::vector<const ManifestTensor*> order_;
  CheckpointBytes bytes_;
  std::map<std::string, std::string> metadata_;
  std::vector<OutgoingTensor> tensors_;
};

// What a file of HDF5 is made of.
struct Hdf5Export {
  const CheckpointReader& from;
  const TiedNames& tied;
  bool weights_only;
};

void export_hdf5(Disk& disk, const Hdf5Export& what, const std::string& part) {
  const auto& [from, tied, weights_only] = what;
  Manifest manifest = from.manifest();
  std::vector<std::vector<std::byte>> memory;
  std::vector<MutableStateTensor> into;
  std::vector<StateTensor> tensors;
  for (const ManifestTensor& stored : manifest.tensors) {
    if (weights_only && !stored.key.in_model()) continue;
    memory.emplace_back(byte_count(stored));
    into.push_back({stored, memory.back()});
    tensors.push_back({stored, memory.back()});
  }
  from.read(into, /*all=*/false);
  // A second name is a second link to the same dataset, and needs its digest like the first.
  for (const auto& [name, first] : tied)
    for (std::size_t i = 0; i < manifest.tensors.size(); ++i)
      if (manifest.tensors[i].key.path() == "model/" + first) {
        ManifestTensor second = manifest.tensors[i];
        second.key.name = name;
        manifest.tensors.push_back(std::move(second));
        break;
      }
  Hdf5Plan plan =
      weights_only ? plan_weights_file(manifest, tensors) : plan_checkpoint_file(manifest.record, tensors);
  for (const auto& [name, first] : tied)
    plan.links.push_back({"/model/" + encode_link(name), "/model/" + encode_link(first)});
  const std::vector<std::span<const std::byte>> payload(memory.begin(), memory.end());
  write_hdf5_file(disk, part, {plan, payload}, {});
}

}  // namespace

ExportReport export_checkpoint(Disk& disk, const CheckpointReader& from, const std::string& path,
                               const ExportRequest& request) {
  check(request.max_shard_bytes == 0 || request.format == ExportFormat::kSafetensors,
        "only safetensors are sharded");
  ExportReport report;
  report.tied = tied_names(from.manifest(), request.second_names);
  write_beside(disk, path, [&](const std::string& part) {
    switch (request.format) {
      case ExportFormat::kPth:
        TorchExport(from, report.tied).write(disk, part, request.weights_only);
        break;
      case ExportFormat::kSafetensors:
        if (request.max_shard_bytes > 0)
          report.files =
              SafetensorsExport(disk, from, report.tied).write_shards(part, request.max_shard_bytes);
        else
          SafetensorsExport(disk, from, report.tied).write_file(part);
        break;
      case ExportFormat::kHdf5:
        export_hdf5(disk, {from, report.tied, request.weights_only}, part);
        break;
    }
    return part;
  });
  const bool folder = !report.files.empty();
  for (std::string& file : report.files) file = path + "/" + file;
  if (!folder) report.files = {path};
  for (const std::string& file : report.files) report.bytes += disk.info(file)->bytes;
  report.tensors = model_in_order(from.manifest()).size() + report.tied.size();
  return report;
}

}  // namespace lockstep
