// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "data/joined_files.h"
#include "data/mapped_file.h"
#include "lockstep/data/dataset.h"
#include "lockstep/data/options.h"
#include "lockstep/data/registry.h"

namespace lockstep {

// How the values of a sequence lie in its files.
struct WindowFormat {
  std::size_t value_bytes = 1;  // 1 or 2, little-endian
  // Checks a file and says how many bytes of header come before its values.
  std::function<std::size_t(const MappedFile&)> header_bytes;
  std::int64_t context = 1;
};

// Sequences cut into windows: sample i is the context + 1 values from i * context of all files joined; the
// first `context` of them are the input, the last the target.
class WindowDataset : public Dataset {
 public:
  // Throws Fault (66) when the files hold no window.
  WindowDataset(const std::vector<std::string>& files, const WindowFormat& format);

  std::int64_t size() const override { return size_; }
  SampleSpec spec() const override;
  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override;
  // Context and values; not the names of the files, nor a header before the values.
  Digest fingerprint() const override;
  void check_unchanged() const override { files_.check_unchanged(); }

 private:
  // Values only, headers skipped.
  JoinedFiles files_;
  std::size_t value_bytes_;
  std::int64_t context_;
  std::int64_t size_ = 0;
};

// Local. One part: the files of data.train or data.valid; with data.holdout_every = n every n-th file is held
// out, or every n-th sample where there is only one file.
std::unique_ptr<Dataset> open_windows(const DataOptions& options, DataPart part, const WindowFormat& format);

// Local. Throws Fault (66), with file and position, for a value of `bytes` (uint8 or uint16 by `value_bytes`)
// that is not below `vocab`. `header` is where the values start in the file.
void check_values(const MappedFile& file, std::size_t header, std::size_t value_bytes, std::int64_t vocab);

}  // namespace lockstep
