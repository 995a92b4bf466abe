// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "support/temp_dir.h"

namespace lockstep::testing {

inline std::string four_bytes(std::uint32_t number) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xff);
  return bytes;
}

// Images of 12 x 12 in MNIST's format: digit k is a bright row k and column k among dim noise.
inline void write_digits(const TempDir& dir, const std::string& part, std::uint32_t count) {
  std::string images = four_bytes(0x803) + four_bytes(count) + four_bytes(12) + four_bytes(12);
  std::string labels = four_bytes(0x801) + four_bytes(count);
  std::uint32_t noise = part == "train" ? 1 : 77;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t digit = (i * 7) % 10;
    labels += static_cast<char>(digit);
    for (std::uint32_t row = 0; row < 12; ++row)
      for (std::uint32_t column = 0; column < 12; ++column) {
        noise = noise * 1664525u + 1013904223u;
        const std::uint32_t dim = noise >> 25;
        images += static_cast<char>(row == digit || column == digit ? 128 + dim / 2 : dim);
      }
  }
  write_file(dir / (part + "-idx3"), images);
  write_file(dir / (part + "-idx1"), labels);
}

// Trains on what write_digits() makes of "train" and "valid".
inline const char* const kDigitsConfig = R"(
run: {name: small, seed: 5}
model: {type: mlp, inputs: 144, hidden: [32], outputs: 10}
data:
  type: idx
  train: {inputs: train-idx3, labels: train-idx1}
  valid: {inputs: valid-idx3, labels: valid-idx1}
train: {steps: 60, global_batch: 48, micro_batch: 24}
optim: {type: adamw, lr: 1e-2}
)";

}  // namespace lockstep::testing
