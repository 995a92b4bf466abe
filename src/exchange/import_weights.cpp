// SPDX-License-Identifier: Apache-2.0
#include "exchange/import_weights.h"

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "checkpoint/digest.h"
#include "checkpoint/file_plan.h"
#include "checkpoint/file_writer.h"
#include "exchange/export_parts.h"
#include "exchange/formats/foreign_file.h"
#include "exchange/formats/optimizer_state.h"
#include "exchange/weights.h"
#include "hdf5/link_name.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

// Tensors that share a storage may be larger together than their file.
constexpr std::uint64_t kMaxGrowth = 4;
constexpr std::uint64_t kSmall = 1u << 20;

// A tensor on its way in.
struct ImportedTensor : WeightsTensor {
  std::function<void(std::span<std::byte>)> read;
};

class Importer {
 public:
  explicit Importer(std::string from) : from_(std::move(from)), file_(open_if_foreign(from_)) {}

  void take(const ImportOptions& options) { file_ ? take_foreign(options) : take_weights(options); }

  ImportReport write(Disk& disk, const std::string& to) {
    if (incoming_.empty()) refuse_bytes(from_, "it holds no tensors");
    refuse_growth();
    write_beside(disk, to, [&](const std::string& part) {
      write_file(disk, part);
      return part;
    });
    report_.bytes = disk.info(to)->bytes;
    return report_;
  }

 private:
  void take_foreign(const ImportOptions& options) {
    const StateDictPair parts = find_state_dicts(file_->root(), options.keys, from_);
    const StateDict model = flatten_state_dict(*parts.model, from_);
    report_.model_key = parts.model_key;
    for (const NamedValue& other : model.others) {
      if (is_unread_tensor(*other.value))
        refuse_bytes(from_,
                     "tensor " + other.name + " is made by " + other.value->text + ", which is not read",
                     "Save it in Python as a plain tensor, or leave it out");
      report_.left_out.push_back(other.name);
    }
    for (const NamedTensor& tensor : model.tensors) add({"", tensor.name}, *tensor.tensor, tensor.alias_of);
    map_names_of_model(options.names);
    if (parts.optimizer != nullptr) take_optimizer(*parts.optimizer);
    const PyValue* step = file_->root().find("step");
    if (step != nullptr && step->is_int()) step_ = step->integer;
  }

  void take_weights(const ImportOptions& options) {
    source_ = read_weights_file(from_);
    for (const WeightsTensor& tensor : source_->tensors())
      incoming_.push_back(
          {tensor, [this, name = tensor.key.name](std::span<std::byte> into) { source_->read(name, into); }});
    map_names_of_model(options.names);
    if (source_->step()) step_ = source_->step()->value;
  }

  void add(TensorKey key, const TensorRef& tensor, const std::string& alias_of) {
    const DType dtype = readable_dtype(tensor, key.path());
    incoming_.push_back({{{std::move(key), dtype, tensor.shape}, alias_of},
                         [this, &tensor](std::span<std::byte> into) { file_->read(tensor, into); }});
  }

  void map_names_of_model(const NameRules& rules) {
    std::vector<std::string> given;
    for (const ImportedTensor& tensor : incoming_) given.push_back(tensor.key.name);
    MappedNames mapped = map_names(given, {}, rules);
    std::map<std::string, std::string> renamed;
    for (std::size_t i = 0; i < incoming_.size(); ++i) {
      incoming_[i].key.name = mapped.names[i];
      renamed[given[i]] = mapped.names[i];
    }
    for (ImportedTensor& tensor : incoming_)
      if (!tensor.alias_of.empty()) tensor.alias_of = renamed.at(tensor.alias_of);
    report_.said = std::move(mapped.said);
  }

  // By number: which parameter that is only its model knows.
  void take_optimizer(const PyValue& value) {
    const OptimizerState state = read_optimizer_state(value, from_);
    for (std::size_t i = 0; i < state.parameters.size(); ++i)
      for (const auto& [slot, content] : state.parameters[i])
        if (content->is_tensor()) add({slot, std::to_string(i)}, *content->tensor, "");
  }

  void refuse_growth() const {
    // A sharded set is larger than its index, and none of its tensors share bytes.
    if (file_ == nullptr || file_->format() == "safetensors") return;
    std::uint64_t bytes = 0;
    const std::uint64_t limit = kMaxGrowth * std::filesystem::file_size(from_) + kSmall;
    for (const ImportedTensor& tensor : incoming_)
      if (tensor.alias_of.empty() && (bytes += byte_count(tensor)) > limit)
        refuse_bytes(from_, "tensors that share storages are more than four times as large as the file");
  }

  void write_file(Disk& disk, const std::string& part) {
    std::vector<std::vector<std::byte>> memory;
    Hdf5Plan plan;
    nlohmann::json digests = nlohmann::json::object();
    std::set<std::string> slots;
    for (const ImportedTensor& tensor : incoming_) {
      const std::string group = "/" + tensor.key.group() + "/";
      const std::string path = group + encode_link(tensor.key.name);
      (tensor.key.in_model() ? report_.tensors : report_.optimizer_tensors) += 1;
      if (!tensor.alias_of.empty()) {
        plan.links.push_back({path, group + encode_link(tensor.alias_of)});
        digests[tensor.key.name] = digests.at(tensor.alias_of);
        continue;
      }
      memory.emplace_back(byte_count(tensor));
      if (!memory.back().empty()) tensor.read(memory.back());
      plan.datasets.push_back({path, tensor.dtype, tensor.shape});
      if (tensor.key.in_model())
        digests[tensor.key.name] = tensor_digest(tensor, memory.back()).hex();
      else
        slots.insert(tensor.key.slot);
    }
    plan.groups = imported_groups(step_, digests.dump(), {slots.begin(), slots.end()});
    const std::vector<std::span<const std::byte>> payload(memory.begin(), memory.end());
    write_hdf5_file(disk, part, {plan, payload}, {});
  }

  std::string from_;
  std::unique_ptr<ForeignFile> file_;
  std::unique_ptr<WeightsSource> source_;
  std::optional<std::int64_t> step_;
  std::vector<ImportedTensor> incoming_;
  ImportReport report_;
};

}  // namespace

ImportReport import_weights(Disk& disk, const std::string& from, const ImportOptions& options,
                            const std::string& to) {
  Importer importer(from);
  importer.take(options);
  return importer.write(disk, to);
}

}  // namespace lockstep
