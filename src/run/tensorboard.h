// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace lockstep {

// TensorBoard's event files: records of an Event each. Local; a record is whole bytes to append, and a file
// that ends in the middle of one is read up to there.

// CRC-32C (Castagnoli), as these records carry it after tensorboard_mask().
std::uint32_t crc32c(std::string_view bytes);
std::uint32_t tensorboard_mask(std::uint32_t crc);

// The file of an attempt, in a run's tb/. TensorBoard reads files in the order of their names, and so each
// attempt after the one before, whatever the clock of its host said.
std::string tensorboard_file(int attempt);

// What a file begins with: its format, and that this session starts at `first`. Whatever files before it say
// of that step and later ones is dropped: a resumed run is one curve.
std::string tensorboard_start(double unix_time, std::int64_t first);

// The values of one step, by tag; NaN and infinities stay what they are.
std::string tensorboard_values(double unix_time, std::int64_t step,
                               const std::map<std::string, double>& values);

}  // namespace lockstep
