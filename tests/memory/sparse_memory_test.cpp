// SPDX-License-Identifier: Apache-2.0
#include "memory/sparse_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr std::size_t kPage = 4096;

std::size_t resident_pages(std::span<std::byte> bytes) {
  std::vector<unsigned char> pages(bytes.size() / kPage);
  EXPECT_EQ(::mincore(bytes.data(), bytes.size(), pages.data()), 0);
  return static_cast<std::size_t>(std::ranges::count_if(pages, [](unsigned char page) { return page & 1; }));
}

TEST(SparseMemory, CostsWhatIsTouchedUntilItIsGivenBack) {
  const SparseMemory memory(64 * kPage, "for a test", "do without");
  const auto bytes = memory.bytes();
  EXPECT_EQ(resident_pages(bytes), 0);
  memory.touch(bytes.subspan(8 * kPage, 16 * kPage));
  EXPECT_EQ(resident_pages(bytes), 16);
  std::ranges::fill(bytes.subspan(8 * kPage, 16 * kPage), std::byte{7});
  // Pages that are in it in part stay.
  SparseMemory::give_back(bytes.subspan(8 * kPage + 1, 8 * kPage));
  EXPECT_EQ(resident_pages(bytes), 9);
  EXPECT_EQ(bytes[8 * kPage], std::byte{7});
  EXPECT_EQ(bytes[9 * kPage], std::byte{0});
  EXPECT_EQ(bytes[16 * kPage], std::byte{7});
}

TEST(SparseMemory, OfNothingIsNothing) {
  const SparseMemory memory(0, "for a test", "do without");
  memory.touch(memory.bytes());
  SparseMemory::give_back(memory.bytes());
  EXPECT_TRUE(memory.bytes().empty());
}

TEST(SparseMemory, SaysWhatItWasForWhereThereAreNoAddresses) {
  try {
    const SparseMemory memory(std::size_t{1} << 60, "for a test", "do without");
    FAIL() << "an exbibyte was found";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kCannotStart);
    EXPECT_NE(std::string(fault.what()).find("for a test"), std::string::npos);
  }
}

}  // namespace
}  // namespace lockstep
