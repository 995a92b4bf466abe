// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "data/file_set.h"
#include "data/formats/token_file.h"
#include "data/joined_files.h"
#include "data/mapped_file.h"
#include "lockstep/data/dataset.h"
#include "lockstep/data/options.h"
#include "lockstep/data/registry.h"

namespace lockstep {

// How the files of a sequence are read.
struct WindowFormat {
  // Checks a file and its values, and says how they lie in it.
  std::function<TokenLayout(const FoundFile&, const MappedFile&)> layout;
  std::int64_t context = 1;
};

// Sequences cut into windows: sample i is the context + 1 values from i * context of all files joined; the
// first `context` of them are the input, the last the target.
class WindowDataset : public Dataset {
 public:
  // Throws Fault (66) when the files hold no window, or are not all of one layout.
  WindowDataset(const FileSet& files, const WindowFormat& format);

  std::int64_t size() const override { return size_; }
  SampleSpec spec() const override;
  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override;
  // Context and values; not the names of the files, nor a header before the values.
  Digest fingerprint() const override;
  std::string place_of(std::int64_t index) const override;
  std::string description() const override;
  std::vector<DataFile> files() const override { return files_.files(); }
  void check_unchanged() const override { files_.check_unchanged(); }

 private:
  // Values only, headers skipped.
  JoinedFiles files_;
  std::string taken_;   // the files, for people
  TokenLayout layout_;  // of each file but for the length of its header
  std::int64_t context_;
  std::int64_t size_ = 0;
};

// Local. One part: the files of data.train or data.valid; with data.holdout_every = n every n-th file is held
// out, or every n-th sample where there is only one file.
std::unique_ptr<Dataset> open_windows(const DataOptions& options, DataPart part, const WindowFormat& format);

}  // namespace lockstep
