// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "hdf5/links.h"

namespace lockstep {

// Links as they are found, counted and measured. Throws Fault (65) when there are too many.
class LinkCollector {
 public:
  LinkCollector(const Hdf5MetadataFile& file, std::size_t limit) : file_(file), limit_(limit) {}

  void add(Hdf5Link link);
  std::vector<Hdf5Link> take() { return std::move(links_); }

 private:
  const Hdf5MetadataFile& file_;
  std::size_t limit_;
  std::size_t name_bytes_ = 0;
  std::vector<Hdf5Link> links_;
};

// Local. The links of a group that keeps them as files before HDF5 1.8 do, and h5py does by default: a
// version 1 B-tree over nodes of symbols, whose names lie in a heap. `message` is its symbol table message.
// Throws Fault (65).
void take_symbol_table(const Hdf5MetadataFile& file, Hdf5Cursor message, LinkCollector& into);

}  // namespace lockstep
