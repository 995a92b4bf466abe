// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "data/loader.h"
#include "lockstep/data/dataset.h"

namespace lockstep {

// A dataset of made-up points in memory: float32 {6} to one of three classes.
class Points : public Dataset {
 public:
  explicit Points(std::int64_t size) : size_(size) {}
  std::int64_t size() const override { return size_; }
  SampleSpec spec() const override { return {DType::kFloat32, {6}, DType::kInt64, {}}; }
  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    float values[6];
    for (int i = 0; i < 6; ++i) values[i] = static_cast<float>(std::sin(1.7 * double(index) + 2.3 * i));
    const std::int64_t label = index % 3;
    std::memcpy(input.data(), values, sizeof values);
    std::memcpy(target.data(), &label, sizeof label);
  }

 private:
  std::int64_t size_;
};

// `count` samples of Points from `first` on, in micro-batches of `micro_batch`.
inline MicroBatches points(std::int64_t first, std::int64_t count, std::int64_t micro_batch) {
  MicroBatches batches;
  for (std::int64_t at = first; at < first + count; at += micro_batch)
    read_chunk(Points(first + count), {at, micro_batch}, batches.emplace_back());
  return batches;
}

}  // namespace lockstep
