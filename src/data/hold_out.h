// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "lockstep/data/dataset.h"
#include "lockstep/data/options.h"
#include "lockstep/data/registry.h"

namespace lockstep {

// Every n-th sample of a dataset (n - 1, 2n - 1, …), or all others, in their order.
class SampleSplit : public Dataset {
 public:
  // n >= 2.
  SampleSplit(std::unique_ptr<Dataset> whole, std::int64_t n, DataPart part);

  std::int64_t size() const override;
  SampleSpec spec() const override { return whole_->spec(); }
  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override;
  std::vector<Field> fields() const override { return whole_->fields(); }
  std::string target_field() const override { return whole_->target_field(); }
  void sample(const SampleContext& context, Sample& into) const override;
  // Differs between the two parts and from the whole.
  Digest fingerprint() const override;
  std::string place_of(std::int64_t index) const override { return whole_->place_of(whole_index(index)); }
  std::string description() const override;
  std::vector<DataFile> files() const override { return whole_->files(); }
  void check_unchanged() const override { whole_->check_unchanged(); }

 private:
  // The sample of the whole that is sample `index` of this part.
  std::int64_t whole_index(std::int64_t index) const;

  std::unique_ptr<Dataset> whole_;
  std::int64_t n_;
  DataPart part_;
};

// Local. Throws Fault (78) when data.holdout_every is 1 or negative, or stands beside data.valid.
void check_hold_out(const DataOptions& options);

// Opens the files of one part of the config.
using OpenFiles = std::function<std::unique_ptr<Dataset>(const DataFiles&)>;

// Local. One part of the data by the common rules: data.train or data.valid as they stand, or every n-th
// sample of data.train held out. Null for validation when there is neither.
std::unique_ptr<Dataset> open_part(const DataOptions& options, DataPart part, const OpenFiles& open);

}  // namespace lockstep
