// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/data/dataset.h"

namespace lockstep {

// Memory that starts at a multiple of 64: MKL promises equal bits only for such operands.
class AlignedBytes {
 public:
  // Keeps the memory when it is large enough; the contents are undefined afterwards.
  void resize(std::size_t bytes);
  std::span<std::byte> span() { return {memory_.get(), size_}; }
  std::span<const std::byte> span() const { return {memory_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// A dataset threw something of its own: 70, or 69 out of memory. Names the sample.
class DatasetFault : public Fault {
 public:
  using Fault::Fault;
};

// Samples side by side: inputs are one contiguous tensor [samples, input_shape…], targets [samples,
// target_shape…].
struct HostBatch {
  SampleSpec spec;
  std::int64_t samples = 0;
  // Row-major, of spec.input_dtype and spec.target_dtype.
  AlignedBytes inputs;
  AlignedBytes targets;
  // Of each sample in the dataset.
  std::vector<std::int64_t> indices;

  // Makes room for `count` samples of `layout`. Throws Bug when the bytes overflow.
  void shape(const SampleSpec& layout, std::int64_t count);
  // Writes sample `index` of `dataset` into place `slot`. What the dataset throws becomes a DatasetFault,
  // unless it is a Fault already.
  void fill(std::int64_t slot, const Dataset& dataset, std::int64_t index);
};

// Local. Samples [first, first + count) in file order, for evaluation. Throws Bug when they pass the end,
// Fault (66) when a file changed.
void read_chunk(const Dataset& dataset, std::int64_t first, std::int64_t count, HostBatch& into);

}  // namespace lockstep
