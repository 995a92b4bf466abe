// SPDX-License-Identifier: Apache-2.0
#include "exchange/foreign_weights.h"

#include <algorithm>
#include <map>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

// Why a tensor cannot be read; empty: it can.
std::string obstacle_of(const TensorRef& tensor) {
  if (!tensor.obstacle.empty()) return tensor.obstacle + ", which Lockstep does not apply";
  return dtype_from_name(tensor.dtype) ? "" : "dtype " + tensor.dtype + " is not one Lockstep has";
}

class ForeignWeights : public WeightsSource {
 public:
  ForeignWeights(const std::string& path, const ForeignFile& file, const PyValue& model)
      : path_(path), file_(file) {
    const StateDict state = flatten_state_dict(model, path);
    for (const NamedTensor& tensor : state.tensors) {
      const std::string obstacle = obstacle_of(*tensor.tensor);
      tensors_.push_back({{{"", tensor.name},
                           dtype_from_name(tensor.tensor->dtype).value_or(DType::kFloat32),
                           tensor.tensor->shape},
                          tensor.alias_of,
                          obstacle});
      if (obstacle.empty()) by_name_[tensor.name] = tensor.tensor;
    }
    for (const NamedValue& other : state.others)
      if (is_unread_tensor(*other.value))
        tensors_.push_back({{{"", other.name}, {}},
                            "",
                            "it is made by " + other.value->text + ", which Lockstep does not read"});
    if (tensors_.empty()) refuse_bytes(path, "it holds no tensors");
    std::sort(tensors_.begin(), tensors_.end(),
              [](const auto& a, const auto& b) { return a.key.name < b.key.name; });
  }

  const std::vector<WeightsTensor>& tensors() const override { return tensors_; }

  std::optional<Step> step() const override {
    const PyValue* step = file_.root().find("step");
    if (step == nullptr || !step->is_int() || step->integer < 0) return std::nullopt;
    return Step{step->integer};
  }

  void read(const std::string& name, std::span<std::byte> bytes) const override {
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) return file_.read(*found->second, bytes);
    for (const WeightsTensor& tensor : tensors_)
      if (tensor.key.name == name) refuse_bytes(path_, "tensor " + name + ": " + tensor.obstacle);
    refuse_bytes(path_, "no tensor " + name);
  }

 private:
  std::string path_;
  const ForeignFile& file_;
  std::vector<WeightsTensor> tensors_;
  std::map<std::string, const TensorRef*> by_name_;
};

// With the file it reads.
struct OpenedFile {
  std::unique_ptr<ForeignFile> file;
};
class OwnForeignWeights : private OpenedFile, public ForeignWeights {
 public:
  OwnForeignWeights(const std::string& path, std::unique_ptr<ForeignFile> opened, const StateDictPair& parts)
      : OpenedFile{std::move(opened)}, ForeignWeights(path, *file, *parts.model) {}
};

}  // namespace

std::unique_ptr<WeightsSource> open_foreign_weights(const std::string& path, const StateDictKeys& keys) {
  auto file = open_foreign_file(path);
  const StateDictPair parts = find_state_dicts(file->root(), keys, path);
  if (!parts.model_key.empty()) log_info("{}: the model is under {}", path, parts.model_key);
  return std::make_unique<OwnForeignWeights>(path, std::move(file), parts);
}

std::unique_ptr<WeightsSource> weights_in(const ForeignFile& file, const PyValue& model,
                                          const std::string& path) {
  return std::make_unique<ForeignWeights>(path, file, model);
}

}  // namespace lockstep
