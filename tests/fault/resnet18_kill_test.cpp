// SPDX-License-Identifier: Apache-2.0
// F2 and F3 on a real model at two ranks: resnet18 with AdamW dies at the calls of its saves and of what
// comes before and after them, life after life in one run directory.
#include <filesystem>

#include "checkpoint/manifest.h"
#include "shelf/resnet18_state.h"
#include "support/draw.h"
#include "traced_ranks.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

constexpr int kRanks = 2;

std::string layout_is(const std::string& layout) {
  return "checkpoint.layout=" + layout;
}
std::string steps_are(int steps) {
  return "train.steps=" + std::to_string(steps);
}

// What must come out: the state hash of each step of a run that nobody disturbed.
class Uninterrupted {
 public:
  explicit Uninterrupted(int steps) : job_(resnet18_adamw_config()) {
    const ProcessResult result = job_.train({.ranks = kRanks, .overrides = {steps_are(steps)}});
    EXPECT_EQ(result.code, 0) << result.err;
    for (const Json& event : job_.events("checkpoint_saved"))
      hashes_[event.at("step")] = event.at("state_hash");
    EXPECT_EQ(hashes_.size(), static_cast<std::size_t>(steps));
    fs::remove_all(job_.checkpoints());
  }
  std::string hash_of(int step) const { return hashes_.contains(step) ? hashes_.at(step) : "never saved"; }

 private:
  Job job_;
  std::map<int, std::string> hashes_;
};

// A run that dies again and again. Each life goes on from what the one before left, trains one step, saves it
// and removes the checkpoint before it.
class DyingRun {
 public:
  explicit DyingRun(const Uninterrupted& wanted) : wanted_(wanted), job_(resnet18_adamw_config()) {}

  // A life to its end; what it did is the calls there are to die at.
  void live(const std::string& layout) {
    const ProcessResult result = ranks_.train({layout_is(layout), steps_are(++newest_)});
    ASSERT_EQ(result.code, 0) << result.err;
    check();
  }
  std::vector<KillPoint> calls() const {
    std::vector<KillPoint> points;
    for (int rank = 0; rank < kRanks; ++rank) {
      const std::vector<KillPoint> mine = ranks_.points(rank);
      points.insert(points.end(), mine.begin(), mine.end());
    }
    return points;
  }
  // A life that dies. One after a death makes a call or two fewer than the one that was counted (there is no
  // DONE to take away): where it ends before the point, the next dies at the call before that.
  void die(const std::string& layout, KillPoint point) {
    for (;; --point.number) {
      SCOPED_TRACE(layout + ", " + point.text());
      ASSERT_GT(point.number, 0);
      const ProcessResult result = ranks_.train({layout_is(layout), steps_are(newest_ + 1)}, &point);
      ASSERT_TRUE(result.code == 137 || result.code == 0) << result.err;
      check();
      if (::testing::Test::HasFatalFailure()) return;
      if (result.code == 0) continue;
      ASSERT_TRUE(ranks_.killed(point.rank));
      ++killed_;
      return;
    }
  }
  // The last life, to the end of the undisturbed run.
  void end(int steps) {
    const ProcessResult result = job_.train({.ranks = kRanks, .overrides = {steps_are(steps)}});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(job_.state_hash(), wanted_.hash_of(steps));
    EXPECT_EQ(job_.events("checkpoint_refused").size(), 0u);
    EXPECT_EQ(job_.leftovers(), 0);
    // Each life went on from where the one before it had come, and from the state that belongs there.
    for (const Json& event : job_.events("resumed"))
      EXPECT_EQ(event.at("state_hash"), wanted_.hash_of(event.at("step")));
  }
  int killed() const { return killed_; }

 private:
  // What every life must leave: a newest checkpoint that verifies, is not older than any commit that was
  // seen, and holds the state that the undisturbed run has at that step.
  void check() {
    committed_ = std::max(committed_, ranks_.committed_step());
    const ProcessResult listed = testing::run({LOCKSTEP_BINARY, "ckpt", "ls", job_.run(), "--json"});
    ASSERT_EQ(listed.code, 0) << listed.err;
    const Json rows = Json::parse(listed.out);
    ASSERT_FALSE(rows.empty());
    const Json& row = rows.back();
    ASSERT_EQ(row.at("status"), "committed") << row;
    newest_ = row.at("step");
    ASSERT_GE(newest_, committed_);
    ASSERT_TRUE(job_.verifies(job_.checkpoint(newest_)));
    ASSERT_EQ(row.at("state_hash"), wanted_.hash_of(newest_));
  }

  const Uninterrupted& wanted_;
  Job job_;
  TracedRanks ranks_{job_, kRanks};
  int newest_ = 0;
  int committed_ = 0;
  int killed_ = 0;
};

const std::vector<std::string> kLayouts = {"sharded", "consolidated"};

// A few of the calls, in both layouts; all of them are for the night.
TEST(Resnet18, KilledAtDrawnCallsGoesOnToTheSameEnd) {
  Draw draw;
  SCOPED_TRACE("LOCKSTEP_TEST_SEED=" + std::to_string(draw.seed()));
  constexpr std::size_t kLives = 3;
  constexpr int kSteps = 14;
  const Uninterrupted wanted(kSteps);
  DyingRun run(wanted);
  run.live("sharded");
  for (const std::string& layout : kLayouts) {
    run.live(layout);
    if (::testing::Test::HasFatalFailure()) return;
    std::map<std::string, std::vector<KillPoint>> by_call;
    for (const KillPoint& point : run.calls())
      by_call["rank " + std::to_string(point.rank) + " " + point.call].push_back(point);
    std::vector<KillPoint> points;
    for (const auto& [call, all] : by_call) points.push_back(draw.one_of(all));
    for (const KillPoint& point : draw.some_of(points, kLives)) {
      run.die(layout, point);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
  EXPECT_EQ(run.killed(), 2 * static_cast<int>(kLives));
  std::printf("%d lives killed\n", run.killed());
  run.end(kSteps);
}

class Resnet18Nightly : public ::testing::TestWithParam<std::string> {};

TEST_P(Resnet18Nightly, KilledAtEveryCallGoesOnToTheSameEnd) {
  std::vector<KillPoint> points;
  {
    const Uninterrupted one(2);
    DyingRun counting(one);
    counting.live(GetParam());
    counting.live(GetParam());
    points = counting.calls();
  }
  const int steps = static_cast<int>(points.size()) + 40;
  const Uninterrupted wanted(steps);
  DyingRun run(wanted);
  run.live(GetParam());
  for (const KillPoint& point : points) {
    run.die(GetParam(), point);
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(run.killed(), static_cast<int>(points.size()));
  std::printf("%d lives killed\n", run.killed());
  run.end(steps);
}

INSTANTIATE_TEST_SUITE_P(F2, Resnet18Nightly, ::testing::ValuesIn(kLayouts),
                         [](const auto& info) { return info.param; });

// The tests of single operations and of flipped bits stand on this list.
TEST(Resnet18, SavesTheTensorsOfItsList) {
  const Job job(resnet18_adamw_config());
  ASSERT_EQ(job.train({.ranks = kRanks, .overrides = {layout_is("sharded"), steps_are(1)}}).code, 0);
  const Manifest manifest = parse_manifest(read_file(job.checkpoint(1) + "/manifest.json"), "manifest.json");
  std::map<std::string, std::pair<DType, Shape>> listed, saved;
  const Resnet18Tensors tensors;
  for (const auto& tensor : tensors.list()) listed[tensor.key.path()] = {tensor.dtype, tensor.shape};
  int split = 0;
  for (const ManifestTensor& tensor : manifest.tensors) {
    saved[tensor.key.path()] = {tensor.dtype, tensor.shape};
    split += tensor.split() ? 1 : 0;
  }
  EXPECT_EQ(saved, listed);
  EXPECT_GT(split, 0);
}

}  // namespace
}  // namespace lockstep::testing
