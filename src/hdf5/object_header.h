// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hdf5/metadata_file.h"

namespace lockstep {

// The kinds of messages that are looked at.
enum class Hdf5MessageType : std::uint16_t {
  kDataspace = 0x01,
  kLinkInfo = 0x02,
  kDatatype = 0x03,
  kOldFillValue = 0x04,
  kFillValue = 0x05,
  kLink = 0x06,
  kExternalFiles = 0x07,
  kLayout = 0x08,
  kFilters = 0x0B,
  kAttribute = 0x0C,
  kContinuation = 0x10,
  kSymbolTable = 0x11,
  kAttributeInfo = 0x15,
};

struct Hdf5Message {
  Hdf5MessageType type{};
  bool shared = false;  // it lies somewhere else, and these bytes say where
  std::span<const std::byte> bytes;
};

// What describes one group or dataset. Owns the bytes its messages point at.
class Hdf5ObjectHeader {
 public:
  // Local. Reads the header at `address`, of either version, with its continuations. Throws Fault (65).
  Hdf5ObjectHeader(const Hdf5MetadataFile& file, std::uint64_t address);
  Hdf5ObjectHeader(const Hdf5ObjectHeader&) = delete;
  Hdf5ObjectHeader& operator=(const Hdf5ObjectHeader&) = delete;

  const std::vector<Hdf5Message>& messages() const { return messages_; }
  // The first of its kind, or null.
  const Hdf5Message* find(Hdf5MessageType type) const;

 private:
  // Where a message begins in a chunk differs between the versions.
  struct Form {
    int version = 1;
    bool creation_order = false;
  };
  void read_version_1(std::uint64_t address);
  void read_version_2(std::uint64_t address, std::span<const std::byte> beginning);
  void read_continuations(const Form& form);
  void add_messages(std::span<const std::byte> bytes, const Form& form);
  std::span<const std::byte> keep(std::vector<std::byte> chunk);

  const Hdf5MetadataFile& file_;
  std::vector<std::vector<std::byte>> chunks_;
  std::size_t kept_ = 0;  // bytes in them
  std::vector<Hdf5Message> messages_;
};

}  // namespace lockstep
