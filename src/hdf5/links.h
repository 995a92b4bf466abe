// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hdf5/object_header.h"

namespace lockstep {

struct Hdf5Link {
  std::string name;                    // as it stands in the file
  bool hard = true;                    // else it leads to a path, here or in another file
  std::uint64_t address = kNoAddress;  // of the object header
};

// Local. The links of a group, in no order, whichever of the three ways it keeps them: a table of symbols,
// messages in its header, a heap. Names may be anything but empty; none is followed. Throws Fault (65) for
// an object that is no group, and for more than `limit` links or 64 MiB of names.
std::vector<Hdf5Link> list_links(const Hdf5MetadataFile& file, const Hdf5ObjectHeader& group,
                                 std::size_t limit);

}  // namespace lockstep
