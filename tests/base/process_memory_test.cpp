// SPDX-License-Identifier: Apache-2.0
#include "base/process_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "base/memory_file.h"

namespace lockstep {
namespace {

constexpr const char* kRollup =
    "7f00-7fff ---p 00000000 00:00 0    [rollup]\n"
    "Rss:              900 kB\n"
    "Pss:              700 kB\n"
    "Pss_Anon:         300 kB\n"
    "Pss_File:         120 kB\n"
    "Pss_Shmem:         80 kB\n";

constexpr const char* kMappings =
    "55d0-55d1 r-xp 00000000 08:01 11   /usr/bin/lockstep\n"
    "Size:              64 kB\n"
    "Rss:               40 kB\n"
    "Pss:               20 kB\n"
    "Anonymous:          0 kB\n"
    "VmFlags: rd ex mr mw me sd\n"
    "55d1-55d2 rw-p 00000000 08:01 11   /usr/bin/lockstep\n"
    "Rss:               12 kB\n"
    "Anonymous:          8 kB\n"
    "7f00-7f10 r--s 00000000 08:01 12   /data/a file.idx\n"
    "Rss:              100 kB\n"
    "Anonymous:          0 kB\n"
    "7f10-7f20 rw-s 00000000 00:01 13   /memfd:lockstep (deleted)\n"
    "Rss:              160 kB\n"
    "Anonymous:          0 kB\n"
    "7f20-7f30 rw-p 00000000 00:00 0    [heap]\n"
    "Rss:              300 kB\n"
    "Anonymous:        300 kB\n";

TEST(ProcessMemory, IsReadFromWhatTheKernelSays) {
  const ProcessMemory memory = process_memory_of(kRollup, kMappings);
  EXPECT_EQ(memory.own, 300u * 1024);
  EXPECT_EQ(memory.common, 80u * 1024);
  EXPECT_EQ(memory.program, 44u * 1024);
  EXPECT_EQ(memory.mapped, 100u * 1024);
}

TEST(ProcessMemory, GrowsByWhatIsTouched) {
  constexpr std::size_t kBytes = 32u << 20;
  const ProcessMemory before = process_memory();
  EXPECT_GT(before.own, 0u);
  EXPECT_GT(before.program, 0u);
  std::vector<char> own(kBytes, 1);
  const Descriptor file = make_memory_file("process-memory-test", kBytes);
  void* const common = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  ASSERT_NE(common, MAP_FAILED);
  std::memset(common, 1, kBytes / 2);
  const ProcessMemory after = process_memory();
  EXPECT_NEAR(static_cast<double>(after.own - before.own), kBytes, 0.02 * kBytes);
  EXPECT_NEAR(static_cast<double>(after.common - before.common), kBytes / 2.0, 0.02 * kBytes);
  EXPECT_EQ(own.back(), 1);
  ::munmap(common, kBytes);
}

}  // namespace
}  // namespace lockstep
