// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hdf5/handle.h"
#include "hdf5/layout.h"

namespace lockstep {

// An HDF5 file in the making, in memory, of the format Lockstep writes: version 1.10, large objects aligned,
// no times, locks off. Note [layout in memory] says why. Local. Every function throws Fault (74).
class Hdf5Draft {
 public:
  // `objects` is about how many there will be: their headers get one block, in front of the payload.
  explicit Hdf5Draft(std::size_t objects);
  ~Hdf5Draft();
  Hdf5Draft(const Hdf5Draft&) = delete;
  Hdf5Draft& operator=(const Hdf5Draft&) = delete;

  const Hdf5Session& session() const { return hdf5_; }
  hid_t file() const { return file_.get(); }

  void create_groups(const std::vector<Hdf5Group>& groups) const;
  Hdf5Handle create_space(const Shape& shape) const;

  // After the last object. Returns the bytes the file has; holes count, and cost no memory.
  std::uint64_t close();
  // After close(): the bytes from `first` on.
  void read(std::uint64_t first, std::span<std::byte> into) const;

  // After close(): opens the file again.
  void reopen();
  // After reopen(): new values, of the same types and lengths, for all attributes there are.
  void rewrite_attributes(const std::vector<Hdf5Group>& groups) const;

 private:
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

  Hdf5Session hdf5_;
  std::size_t objects_;
  int descriptor_;
  Hdf5Handle file_;
};

}  // namespace lockstep
