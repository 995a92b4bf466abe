// SPDX-License-Identifier: Apache-2.0
#include "data/formats/inputs.h"

#include <fmt/format.h>

#include <vector>

#include "data/formats/builtin.h"
#include "data/refuse.h"

namespace lockstep {
namespace {

// A dataset whose targets nobody asked for.
class WithoutTargets : public Dataset {
 public:
  explicit WithoutTargets(std::unique_ptr<Dataset> whole)
      : whole_(std::move(whole)), target_bytes_(whole_->spec().target_bytes()) {}

  std::int64_t size() const override { return whole_->size(); }
  SampleSpec spec() const override {
    SampleSpec spec = whole_->spec();
    spec.target_shape = {0};
    return spec;
  }
  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte>) const override {
    std::vector<std::byte> unwanted(target_bytes_);
    whole_->sample(index, input, unwanted);
  }
  Digest fingerprint() const override { return whole_->fingerprint(); }
  std::string place_of(std::int64_t index) const override { return whole_->place_of(index); }
  std::string description() const override { return whole_->description(); }
  std::vector<DataFile> files() const override { return whole_->files(); }
  void check_unchanged() const override { whole_->check_unchanged(); }

 private:
  std::unique_ptr<Dataset> whole_;
  std::size_t target_bytes_;
};

}  // namespace

std::unique_ptr<Dataset> open_inputs(const DataOptions& options, const std::string& path) {
  DataOptions named = options;
  named.holdout_every = 0;
  named.valid = {};
  named.label_classes = 0;
  if (options.type == "idx") {
    named.train = {{}, path, ""};
    return open_idx_inputs(named);
  }
  if (options.type == "hdf5") {
    named.train = {{path}, options.train.inputs, ""};
    return open_hdf5_inputs(named);
  }
  if (options.type == "npz") {
    named.train = {{path}, "", ""};
    return open_npz_inputs(named);
  }
  if (options.type != "cifar10")
    refuse_option(fmt::format("data.type {} has no files of inputs", options.type),
                  "Predict from idx, cifar10, hdf5 or npz; a program of its own asks lockstep::Predictor.");
  named.train = {{path}, "", ""};
  return std::make_unique<WithoutTargets>(open_cifar10(named, DataPart::kTrain));
}

}  // namespace lockstep
