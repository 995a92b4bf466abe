// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lockstep {

// Local. The checksum HDF5 keeps with its metadata: Bob Jenkins' lookup3, starting from 0.
std::uint32_t hdf5_checksum(std::span<const std::byte> bytes);

}  // namespace lockstep
