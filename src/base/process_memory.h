// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace lockstep {

// What a process takes of its host's memory, in bytes. Added over the processes of a job, `own` and `common`
// are what they take together; of `program` the largest is, since each has the same files.
struct ProcessMemory {
  std::uint64_t own = 0;      // pages that nobody else has
  std::uint64_t common = 0;   // its share of those in common with others: n of them count 1/n each
  std::uint64_t program = 0;  // of the program and its libraries, as far as they are in memory
  std::uint64_t mapped = 0;   // of files mapped to be read: the system takes these pages back when it likes
};

// Local. Of this process, now. Throws Fault (69) where /proc does not say.
ProcessMemory process_memory();

// Local. From the text of /proc/<process>/smaps_rollup and of /proc/<process>/smaps.
ProcessMemory process_memory_of(const std::string& rollup, const std::string& mappings);

}  // namespace lockstep
