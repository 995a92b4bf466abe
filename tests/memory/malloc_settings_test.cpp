// SPDX-License-Identifier: Apache-2.0
#include "memory/malloc_settings.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstring>
#include <vector>

#include "support/page_faults.h"

namespace lockstep {
namespace {

void use_scratch(std::size_t bytes) {
  const std::vector<char> scratch(bytes, 1);
  ASSERT_EQ(scratch[bytes / 2], 1);
}

TEST(MallocSettings, ScratchThatIsFreedIsFoundAgainWithoutPageFaults) {
  keep_freed_memory();
  const auto mapped = ::mallinfo2().hblkhd;
  use_scratch(48u << 20);
  EXPECT_EQ(::mallinfo2().hblkhd, mapped);
  const long before = page_faults();
  for (int i = 0; i < 10; ++i) use_scratch(48u << 20);
  EXPECT_LT(page_faults() - before, 20);
}

}  // namespace
}  // namespace lockstep
