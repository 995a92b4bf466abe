// SPDX-License-Identifier: Apache-2.0
#include "cli/binary.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Usage : public Binary {
 protected:
  // Exit code 64 and one line.
  std::string refusal(const std::vector<std::string>& words) const {
    const ProcessResult result = lockstep(words);
    EXPECT_EQ(result.code, 64) << result.err;
    EXPECT_EQ(lines_of(result.err).size(), 1u) << result.err;
    EXPECT_THAT(result.err, StartsWith("lockstep: error: "));
    EXPECT_THAT(result.err, HasSubstr("--help"));
    EXPECT_THAT(result.err, Not(HasSubstr("..")));
    return result.err;
  }
};

TEST_F(Usage, AMistypedCommandIsRecognized) {
  EXPECT_THAT(refusal({"tain"}), HasSubstr("lockstep has no command tain. Did you mean train? See"));
  EXPECT_THAT(refusal({"tain", "-c", "run.yaml"}), HasSubstr("Did you mean train?"));
  EXPECT_THAT(refusal({"ckpt", "lss", "runs"}),
              HasSubstr("lockstep ckpt has no command lss. Did you mean ls?"));
  EXPECT_THAT(refusal({"confg", "check"}), HasSubstr("Did you mean config?"));
  EXPECT_THAT(refusal({"frobnicate"}), Not(HasSubstr("Did you mean")));
}

TEST_F(Usage, AMistypedOptionIsRecognized) {
  EXPECT_THAT(refusal({"train", "-c", "run.yaml", "--reusme", "must"}),
              HasSubstr("lockstep train has no option --reusme. Did you mean --resume?"));
  EXPECT_THAT(refusal({"train", "-c", "run.yaml", "--reusme=must"}), HasSubstr("Did you mean --resume?"));
  EXPECT_THAT(refusal({"--versoin"}), HasSubstr("Did you mean --version?"));
  EXPECT_THAT(refusal({"ckpt", "ls", "runs", "--jsno"}), HasSubstr("Did you mean --json?"));
  EXPECT_THAT(refusal({"predict", "-c", "run.yaml", "--weights", "w", "--inptu", "x"}),
              HasSubstr("Did you mean --input?"));
  EXPECT_THAT(refusal({"train", "-c", "run.yaml", "--optim.lr=1"}), HasSubstr("without dashes"));
}

TEST_F(Usage, IsSaidOnceForAllRanks) {
  const ProcessResult result = ranks(3, {"train", "--reusme"});
  EXPECT_EQ(result.code, 64);
  const auto at = result.err.find("lockstep: error: ");
  EXPECT_NE(at, std::string::npos);
  EXPECT_EQ(at, result.err.rfind("lockstep: error: ")) << result.err;
}

TEST_F(Usage, AnErrorOfAllRanksIsSaidOnce) {
  write_file(dir_ / "wrong.yaml", "version: 1\nmodel: {type: mpl}\n");
  const ProcessResult result = ranks(3, {"train", "-c", "wrong.yaml"});
  EXPECT_EQ(result.code, 78);
  const auto at = result.err.find("lockstep: error: ");
  EXPECT_NE(at, std::string::npos);
  EXPECT_EQ(at, result.err.rfind("lockstep: error: ")) << result.err;
}

TEST_F(Usage, AConfigMayStandWithoutItsOption) {
  EXPECT_EQ(lockstep({"config", "check", "run.yaml"}).code, 0);
  EXPECT_EQ(lockstep({"config", "check", "train.steps=3", "run.yaml"}).code, 0);
  const ProcessResult shown = lockstep({"config", "show", "run.yaml", "train.steps=3", "--json"});
  EXPECT_EQ(nlohmann::json::parse(shown.out)["train"]["steps"], 3) << shown.out;
  EXPECT_EQ(lockstep({"train", "run.yaml", "train.steps=2"}).code, 0);
  EXPECT_EQ(lockstep({"eval", "run.yaml", "--weights", "runs/small/weights.h5"}).code, 0);
}

TEST_F(Usage, AFileWithAnEqualsSignIsAConfigByItsPath) {
  write_file(dir_ / "lr=1.yaml", kSmallConfig);
  EXPECT_EQ(lockstep({"config", "check", "./lr=1.yaml"}).code, 0);
  EXPECT_EQ(lockstep({"config", "check", "-c", "lr=1.yaml"}).code, 0);
  EXPECT_EQ(lockstep({"config", "check", "-c", "run.yaml", "lr=1.yaml"}).code, 78);  // an override
}

TEST_F(Usage, OneConfigIsWanted) {
  EXPECT_THAT(refusal({"train"}), HasSubstr("no config is given"));
  EXPECT_THAT(refusal({"train", "optim.lr=1"}), HasSubstr("no config is given"));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"train", "-c", "run.yaml", "run.yaml"},
        {"config", "check", "run.yaml", "b.yaml"}}) {
    const ProcessResult result = lockstep(words);
    EXPECT_EQ(result.code, 64);
    EXPECT_THAT(result.err, HasSubstr("two configs are given"));
  }
}

TEST_F(Usage, RanksAreANumberAutoOrOneForEachAttempt) {
  for (const char* ranks : {"0", "two", "2,", ",2", "2,auto", "2,,3"}) {
    const ProcessResult result = lockstep({"run", "-n", ranks, "run.yaml"});
    EXPECT_EQ(result.code, 64) << ranks;
    EXPECT_THAT(result.err, HasSubstr("-n wants the number of ranks or auto")) << ranks;
  }
}

}  // namespace
}  // namespace lockstep::testing
