// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/foreign_weights.h"

#include <algorithm>

#include "checkpoint/interchange/refusal.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {

namespace {

class ForeignWeights : public WeightsSource {
 public:
  ForeignWeights(const std::string& path, const PartKeys& keys)
      : path_(path), file_(open_foreign_file(path)), parts_(find_parts(file_->root(), keys, path)) {
    const StateDict model = flatten_state_dict(*parts_.model, path);
    for (const NamedTensor& tensor : model.tensors) {
      tensors_.push_back({{"", tensor.name},
                          readable_dtype(*tensor.tensor, tensor.name),
                          tensor.tensor->shape,
                          tensor.alias_of});
      by_name_[tensor.name] = tensor.tensor;
    }
    if (tensors_.empty()) refuse_file(path, "it holds no tensors");
    std::sort(tensors_.begin(), tensors_.end(),
              [](const auto& a, const auto& b) { return a.key.name < b.key.name; });
    if (!parts_.model_key.empty()) log_info("{}: the model is under {}", path, parts_.model_key);
    if (model.had_module_prefix) log_info("{}: \"module.\" is taken off every name", path);
  }

  const std::vector<WeightsTensor>& tensors() const override { return tensors_; }

  std::optional<Step> step() const override {
    const PyValue* step = file_->root().find("step");
    if (step == nullptr || !step->is_int() || step->integer < 0) return std::nullopt;
    return Step{step->integer};
  }

  void read(const std::string& name, std::span<std::byte> bytes) const override {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) refuse_file(path_, "no tensor " + name);
    file_->read(*found->second, bytes);
  }

 private:
  std::string path_;
  std::unique_ptr<ForeignFile> file_;
  CheckpointParts parts_;
  std::vector<WeightsTensor> tensors_;
  std::map<std::string, const TensorRef*> by_name_;
};

}  // namespace

std::unique_ptr<WeightsSource> open_foreign_weights(const std::string& path, const PartKeys& keys) {
  return std::make_unique<ForeignWeights>(path, keys);
}

}  // namespace lockstep
