// SPDX-License-Identifier: Apache-2.0
#include "loop/same_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "comm/agree.h"
#include "comm/loopback/loopback_world.h"

namespace lockstep {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::StrEq;

// What each rank hears, "" where it passes.
std::vector<std::string> heard(const std::vector<std::string>& texts) {
  std::vector<std::string> all(texts.size());
  run_loopback(WorldSize(static_cast<int>(texts.size())), [&](World& world) {
    const auto rank = static_cast<std::size_t>(world.rank().value);
    try {
      require_same_lines(world, texts[rank], [&](const std::string& here, const std::string& root) {
        return Fault(ExitCode::kConfig, "'" + here + "' here, '" + root + "' there", "Look");
      });
    } catch (const AgreedFault& fault) {
      EXPECT_EQ(fault.code(), ExitCode::kConfig);
      all[rank] = fault.what();
    }
  });
  return all;
}

TEST(SameLines, PassWhereAllTextsAreEqual) {
  EXPECT_THAT(heard({"a\nb\n", "a\nb\n", "a\nb\n"}), Each(StrEq("")));
  EXPECT_THAT(heard({"", ""}), Each(StrEq("")));
}

TEST(SameLines, NameTheFirstLineThatDiffersOnEveryRank) {
  const auto all = heard({"a 1\nb 2\nc 3\n", "a 1\nb 2\nc 3\n", "a 1\nb 7\nc 4\n"});
  EXPECT_THAT(all, Each(HasSubstr("'b 7' here, 'b 2' there")));
  EXPECT_THAT(all[0], HasSubstr("rank 2: ")) << "whose it is, where it is another's";
}

TEST(SameLines, SayNothingForATextThatHasEnded) {
  EXPECT_THAT(heard({"a\n", "a\nb\n"}), Each(HasSubstr("'b' here, 'nothing' there")));
  EXPECT_THAT(heard({"a\nb\n", "a\n"}), Each(HasSubstr("'nothing' here, 'b' there")));
  EXPECT_THAT(heard({"", "b\n"}), Each(HasSubstr("'b' here, 'nothing' there")));
}

}  // namespace
}  // namespace lockstep
