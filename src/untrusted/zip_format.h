// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// Numbers of the zip format that reader and writer share.
namespace lockstep::zip {

inline constexpr std::uint32_t kLocalSignature = 0x04034b50;
inline constexpr std::uint32_t kCentralSignature = 0x02014b50;
inline constexpr std::uint32_t kEndSignature = 0x06054b50;
inline constexpr std::uint32_t kEnd64Signature = 0x06064b50;
inline constexpr std::uint32_t kLocatorSignature = 0x07064b50;
inline constexpr std::uint64_t kEndBytes = 22;
inline constexpr std::uint64_t kEnd64Bytes = 56;
inline constexpr std::uint64_t kLocatorBytes = 20;
inline constexpr std::uint64_t kLocalBytes = 30;
// Stands where a number has no room; the number itself is then in the zip64 extra field.
inline constexpr std::uint64_t kMost32 = 0xFFFFFFFF;
inline constexpr std::uint16_t kWideId = 1;
inline constexpr std::uint16_t kDeflated = 8;  // the method
inline constexpr std::uint64_t kMostGrowth = 1032;
// Flags of an entry.
inline constexpr std::uint16_t kEncrypted = 0x0001 | 0x0040 | 0x2000;
inline constexpr std::uint16_t kDescriptor = 0x0008;  // sizes and checksum follow the bytes
inline constexpr std::uint16_t kUtf8 = 0x0800;

}  // namespace lockstep::zip
