// SPDX-License-Identifier: Apache-2.0
// F34: the clocks of two hosts are years apart, and the next life of a run begins before the last one.
#include <gmock/gmock.h>

#include "job/job.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr long kThreeYears = 3L * 365 * 24 * 3600;

class Clocks : public ::testing::Test {
 protected:
  std::vector<std::string> off_by(long seconds) const {
    return {"env", "LD_PRELOAD=" LOCKSTEP_OTHER_TIME, "OTHER_TIME_S=" + std::to_string(seconds),
            "OTHER_TIME_ASKED=" + asked_};
  }
  Start start(long of_rank_0, long of_rank_1) const {
    return {.ranks = 2,
            .overrides = {"checkpoint.layout=sharded"},
            .before_rank = {off_by(of_rank_0), off_by(of_rank_1)}};
  }

  Job job_{mlp_config()};
  std::string asked_ = job_.path("asked");
};

TEST_F(Clocks, ThatAreYearsApartAndGoBackChangeNothing) {
  Start first = start(kThreeYears, -kThreeYears);
  first.fault = "kill@rank=1,step=8";
  EXPECT_NE(job_.train(first).code, 0);
  EXPECT_EQ(job_.checkpoint_names().back(), "step-00000006");

  const ProcessResult second = job_.train(start(-kThreeYears, kThreeYears));
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(read_file(asked_).size(), 4u) << "each process has asked what time it is";
  EXPECT_EQ(job_.state_hash(), reference_hash(mlp_config()));
  // Ordered by step, not by time: it went on from the newest, and the last life's line counts.
  ASSERT_EQ(job_.events("resumed").size(), 1u);
  EXPECT_EQ(job_.events("resumed")[0].at("step"), 6);
  EXPECT_LT(job_.metrics().back().at("time"), job_.metrics().front().at("time"));
  for (const Json& line : job_.metrics()) EXPECT_GE(line.at("samples_per_s"), 0) << line;
  for (const Json& event : job_.events())
    for (const auto& [name, value] : event.items())
      EXPECT_FALSE(name.ends_with("_s") && value.is_number() && value < 0) << event;
}

TEST_F(Clocks, ThatGoBackGiveAStatusWithoutNegativeTimes) {
  ASSERT_EQ(job_.train(start(kThreeYears, kThreeYears)).code, 0);
  const ProcessResult status = testing::run({LOCKSTEP_BINARY, "status", job_.run()});
  EXPECT_EQ(status.code, 0) << status.err;
  EXPECT_THAT(status.out, HasSubstr("12"));
  EXPECT_THAT(status.out, Not(HasSubstr(" -"))) << status.out;
}

}  // namespace
}  // namespace lockstep::testing
