// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "lockstep/base/hash.h"
#include "lockstep/data/dataset.h"
#include "lockstep/data/options.h"

namespace lockstep {

// data.normalize: (value - mean) / std per channel, where dimension 0 of a sample is its channels; one number
// serves all of them. Without it values pass as they are.
class Normalizer {
 public:
  // Throws Fault (78) when the lists do not fit `spec`, whose inputs must be floating.
  Normalizer(const DataOptions& options, const SampleSpec& spec);

  // Image bytes to float32: value / 255, then normalized. `from` has one byte for each float in `into`.
  void from_bytes(std::span<const std::byte> from, std::span<std::byte> into) const;
  // In place, of spec.input_dtype.
  void apply(std::span<std::byte> values) const;
  // Mean and std are part of what the data is.
  void add_to(Hasher& hasher) const;

 private:
  DType dtype_;
  // Values of one channel.
  std::size_t channel_elements_;
  std::vector<double> mean_;  // one a channel; empty: none
  std::vector<double> std_;
  std::vector<std::array<float, 256>> byte_values_;  // one a channel
};

// Local. Throws Fault (78) when data.normalize is given for inputs that are not to be scaled.
void refuse_normalize(const DataOptions& options);

}  // namespace lockstep
