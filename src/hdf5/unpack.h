// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace lockstep {

inline constexpr std::size_t kFletcherBytes = 4;

// Local. Each undoes one filter of HDF5's. They read and write inside what they are given, whatever it says,
// and throw Fault (65) naming `origin` for what is damaged.

// The bytes in front of their checksum, which is compared.
std::span<const std::byte> without_fletcher32(std::span<const std::byte> bytes, const std::string& origin);
// A stream of zlib's that must fill `into` exactly; its checksum is compared.
void unpack_gzip(std::span<const std::byte> packed, std::span<std::byte> into, const std::string& origin);
// A stream of liblzf's that must fill `into` exactly.
void unpack_lzf(std::span<const std::byte> packed, std::span<std::byte> into, const std::string& origin);
// All first bytes of elements, then all second ones, to elements; of as many bytes.
void unshuffle(std::span<const std::byte> bytes, std::size_t element_bytes, std::span<std::byte> into);

}  // namespace lockstep
