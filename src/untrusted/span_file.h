// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"

namespace lockstep {

// Bytes in memory, such as a mapped file, for readers of files. A view.
class SpanFile : public ReadableFile {
 public:
  explicit SpanFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  void read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    if (offset > bytes_.size() || into.size() > bytes_.size() - offset)
      throw Fault(ExitCode::kNoValidCheckpoint, "it ends too early");
    std::ranges::copy(bytes_.subspan(offset, into.size()), into.begin());
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace lockstep
