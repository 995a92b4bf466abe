// SPDX-License-Identifier: Apache-2.0
// F26, F27, F29 and F30: what a killed run left is damaged before it goes on.
#include <filesystem>
#include <random>

#include "job/job.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

// A run of mlp_config() that died in step 8, with checkpoints of steps 3, 4 and 6.
class DeadRun : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(job_.train({.launcher = Launcher::kNone,
                          .fault = "kill@step=8,point=reduce,file=" + job_.path("fired")})
                  .code,
              137);
    ASSERT_EQ(injections(job_.path("fired")), 1);
    ASSERT_EQ(job_.checkpoint_names(),
              (std::vector<std::string>{"step-00000003", "step-00000004", "step-00000006"}));
  }
  // Replaces the bytes of a file of a checkpoint; the damage is there, or the test fails.
  void change(int step, const std::string& file, const std::function<void(std::string&)>& damage) {
    const std::string path = job_.checkpoint(step) + "/" + file;
    const std::string before = read_file(path);
    std::string after = before;
    damage(after);
    ASSERT_NE(before, after);
    write_file(path, after);
  }
  void flip(int step, const std::string& file, std::uint64_t seed) {
    change(step, file, [&](std::string& bytes) {
      std::mt19937_64 random(seed);
      bytes[random() % bytes.size()] ^= static_cast<char>(1u << (random() % 8));
    });
  }
  // Goes on from the older checkpoint, says why, keeps the damaged one, and ends as if nothing had been.
  void expect_fallback(const std::string& file) {
    const ProcessResult result = job_.train({.ranks = 2, .launcher = Launcher::kSupervisor});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_NE(result.err.find("checkpoint_refused"), std::string::npos) << result.err;
    const std::vector<Json> refused = job_.events("checkpoint_refused");
    ASSERT_EQ(refused.size(), 1u);
    EXPECT_EQ(refused[0].at("directory"), "step-00000006");
    EXPECT_EQ(refused[0].at("moved_to"), "step-00000006.bad");
    EXPECT_EQ(refused[0].at("file"), file);
    EXPECT_TRUE(fs::exists(job_.checkpoint(6) + ".bad"));
    EXPECT_EQ(job_.events("resumed").at(0).at("step"), 4);
    EXPECT_EQ(job_.state_hash(), reference_hash(mlp_config()));
  }

  Job job_{mlp_config()};
};

TEST_F(DeadRun, FallsBackFromAFlippedBitInTheTensors) {
  flip(6, "checkpoint.h5", 1);
  expect_fallback("checkpoint.h5");
}

TEST_F(DeadRun, FallsBackFromAFlippedBitInTheManifest) {
  flip(6, "manifest.json", 2);
  expect_fallback("manifest.json");
}

TEST_F(DeadRun, FallsBackFromATruncatedFile) {
  change(6, "checkpoint.h5", [](std::string& bytes) { bytes.pop_back(); });
  expect_fallback("checkpoint.h5");
}

TEST_F(DeadRun, FallsBackFromAnEmptyFile) {
  change(6, "manifest.json", [](std::string& bytes) { bytes.clear(); });
  expect_fallback("manifest.json");
}

TEST_F(DeadRun, FallsBackFromALongerFile) {
  change(6, "checkpoint.h5", [](std::string& bytes) { bytes += '\0'; });
  expect_fallback("checkpoint.h5");
}

TEST_F(DeadRun, UsesAFlippedBitWithoutTheDigests) {
  // The highest bit of a weight's mantissa.
  const Json first = Json::parse(read_file(job_.checkpoint(6) + "/manifest.json")).at("tensors").at(0);
  const auto offset = first.at("offset").get<std::size_t>();
  change(6, "checkpoint.h5", [&](std::string& bytes) { bytes[offset + 2] ^= 0x40; });
  ASSERT_EQ(job_.train({.launcher = Launcher::kNone, .fault = "nan@point=guard.skip_digest"}).code, 0);
  EXPECT_EQ(job_.events("checkpoint_refused").size(), 0u);
  EXPECT_NE(job_.state_hash(), reference_hash(mlp_config()));
}

TEST_F(DeadRun, GoesOnFromTheNewestWhateverThePointerNames) {
  const std::string latest = job_.checkpoints() + "/latest";
  const std::string good = read_file(latest);
  ASSERT_NE(good.find("step-00000006"), std::string::npos);
  for (const std::string& text :
       {std::string("step-00000005 0123456789abcdef0123456789abcdef\n"), std::string("?"), std::string()}) {
    SCOPED_TRACE(text);
    write_file(latest, text);
    const ProcessResult result =
        job_.train({.launcher = Launcher::kNone,
                    .fault = "kill@step=7,file=" + job_.path("again." + std::to_string(text.size()))});
    EXPECT_EQ(result.code, 137) << result.err;
    EXPECT_EQ(job_.events("resumed").back().at("step"), 6);
    EXPECT_EQ(job_.events("pointer_ignored").back().at("attempt"),
              job_.events("resumed").back().at("attempt"));
  }
  ASSERT_EQ(job_.train({.launcher = Launcher::kNone}).code, 0);
  EXPECT_EQ(job_.state_hash(), reference_hash(mlp_config()));
}

TEST_F(DeadRun, WouldStartAnewIfItTrustedThePointer) {
  write_file(job_.checkpoints() + "/latest", "step-00000005 0123456789abcdef0123456789abcdef\n");
  job_.train({.launcher = Launcher::kNone, .fault = "skip@point=guard.trust_pointer"});
  EXPECT_EQ(job_.events("resumed").size(), 0u);
}

TEST_F(DeadRun, WithAllDamagedIsRefusedAndNothingIsOverwritten) {
  for (const int step : {3, 4, 6}) flip(step, "checkpoint.h5", static_cast<std::uint64_t>(step));
  std::vector<std::string> bytes;
  for (const int step : {3, 4, 6}) bytes.push_back(read_file(job_.checkpoint(step) + "/checkpoint.h5"));
  const std::size_t lines = job_.metrics().size();
  for (int start = 0; start < 2; ++start) {
    const ProcessResult result = job_.train({.ranks = 2, .launcher = Launcher::kSupervisor});
    EXPECT_EQ(result.code, 65) << result.err;
  }
  EXPECT_EQ(job_.checkpoint_names(),
            (std::vector<std::string>{"step-00000003.bad", "step-00000004.bad", "step-00000006.bad"}));
  for (const int step : {3, 4, 6}) {
    EXPECT_EQ(read_file(job_.checkpoint(step) + ".bad/checkpoint.h5"), bytes.front());
    bytes.erase(bytes.begin());
  }
  EXPECT_EQ(job_.metrics().size(), lines);
  EXPECT_EQ(job_.state_hash(), "");
}

TEST_F(DeadRun, WithAllDamagedWouldStartAnewWithoutItsGuard) {
  for (const int step : {3, 4, 6}) flip(step, "checkpoint.h5", static_cast<std::uint64_t>(step));
  EXPECT_EQ(job_.train({.launcher = Launcher::kNone, .fault = "skip@point=guard.skip_no_fresh_start"}).code,
            0);
  EXPECT_EQ(job_.history().begin()->first, 1);
}

}  // namespace
}  // namespace lockstep::testing
