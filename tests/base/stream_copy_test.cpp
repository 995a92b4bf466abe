// SPDX-License-Identifier: Apache-2.0
#include "base/stream_copy.h"

#include <gtest/gtest.h>

#include <vector>

namespace lockstep {
namespace {

TEST(StreamCopy, CopiesAllBytesAndNoOthersAtEveryPlaceAndLength) {
  std::vector<std::byte> from(400);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 7 + 1);
  for (std::size_t source = 0; source < 20; ++source)
    for (std::size_t target = 0; target < 70; ++target)
      for (std::size_t n = 0; n <= 300; n += n < 140 ? 1 : 23) {
        std::vector<std::byte> to(500, std::byte{0xEE});
        stream_copy(std::span(from).subspan(source, n), to.data() + target);
        std::vector<std::byte> expected(500, std::byte{0xEE});
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(source), n,
                    expected.begin() + static_cast<std::ptrdiff_t>(target));
        ASSERT_EQ(to, expected) << n << " bytes from " << source << " to " << target;
      }
}

}  // namespace
}  // namespace lockstep
