// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <set>

#include "job/job.h"

namespace lockstep::testing {
namespace {

struct Recipe {
  const char* name;
  std::string (*config)();
  int steps;

  friend void PrintTo(const Recipe& one, std::ostream* out) { *out << one.name; }
};

class WorldSize : public ::testing::TestWithParam<Recipe> {};

TEST_P(WorldSize, DoesNotChangeTheFinalState) {
  const std::string alone = reference_hash(GetParam().config());
  for (const int ranks : {1, 2, 3, 4}) {
    SCOPED_TRACE(ranks);
    const Job job(GetParam().config());
    const ProcessResult result = job.train({.ranks = ranks});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(job.state_hash(), alone);
    EXPECT_EQ(job.show(job.checkpoint(GetParam().steps)).at("world"), ranks);
  }
}

// Four ranks until one is killed, then two until one is killed, then three to the end.
TEST_P(WorldSize, MayChangeFromOneLifeToTheNext) {
  const std::string config = GetParam().config();
  const Job job(config);
  const std::string fired = job.path("fired");
  const int last = GetParam().steps;
  const auto kill = [&](int rank, int step, const std::string& file) {
    return "kill@rank=" + std::to_string(rank) + ",step=" + std::to_string(step) +
           ",point=reduce,file=" + file;
  };
  EXPECT_EQ(job.train({.ranks = 4, .fault = kill(3, last - 1, fired + ".4")}).code, 137);
  EXPECT_EQ(job.train({.ranks = 2, .fault = kill(0, last, fired + ".2")}).code, 137);
  EXPECT_EQ(injections(fired + ".4"), 1);
  EXPECT_EQ(injections(fired + ".2"), 1);
  const ProcessResult result = job.train({.ranks = 3});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(job.state_hash(), reference_hash(config));

  const std::vector<Json> resumed = job.events("resumed");
  ASSERT_EQ(resumed.size(), 2u);
  EXPECT_EQ(resumed[0].at("written_by_world"), 4);
  EXPECT_EQ(resumed[0].at("world"), 2);
  EXPECT_EQ(resumed[1].at("world"), 3);
}

// The same with the layout: four ranks write shards, two one file, three shards again.
TEST_P(WorldSize, MayChangeTogetherWithTheLayout) {
  const std::string config = GetParam().config();
  const Job job(config);
  const int last = GetParam().steps;
  const auto life = [&](int ranks, const std::string& layout, int killed_in) {
    Start start{.ranks = ranks, .overrides = {"checkpoint.layout=" + layout}};
    if (killed_in > 0)
      start.fault = "kill@rank=0,point=reduce,step=" + std::to_string(killed_in) +
                    ",file=" + job.path("fired." + layout);
    return job.train(start);
  };
  EXPECT_EQ(life(4, "sharded", last - 1).code, 137);
  EXPECT_EQ(life(2, "consolidated", last).code, 137);
  const ProcessResult result = life(3, "sharded", 0);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(job.state_hash(), reference_hash(config));
  EXPECT_EQ(job.events("resumed").size(), 2u);
  EXPECT_EQ(job.events("checkpoint_refused").size(), 0u);
  EXPECT_EQ(job.show(job.checkpoint(last)).at("layout"), "sharded");
}

// One life whose gradients leave after backward, one during it, one in other buckets.
TEST_P(WorldSize, MayChangeTogetherWithOverlap) {
  const std::string config = GetParam().config();
  const Job job(config);
  const int last = GetParam().steps;
  const auto life = [&](int ranks, const std::string& overlap, const std::string& bucket_mb, int killed_in) {
    Start start{
        .ranks = ranks,
        .overrides = {"dist.shared_memory=false", "dist.overlap=" + overlap, "dist.bucket_mb=" + bucket_mb}};
    if (killed_in > 0)
      start.fault = "kill@rank=1,point=reduce,step=" + std::to_string(killed_in) +
                    ",file=" + job.path("fired." + overlap);
    return job.train(start);
  };
  EXPECT_EQ(life(4, "off", "25", last - 1).code, 137);
  EXPECT_EQ(life(2, "on", "0.01", last).code, 137);
  const ProcessResult result = life(3, "on", "0.5", 0);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(job.state_hash(), reference_hash(config));
  EXPECT_EQ(injections(job.path("fired.off")), 1);
  EXPECT_EQ(injections(job.path("fired.on")), 1);
}

// One life with memory in common, one by messages, one in common again; the gradient is clipped.
TEST_P(WorldSize, MayChangeTogetherWithHowRanksExchange) {
  const std::string config = GetParam().config();
  const Job job(config), alone(config);
  const int last = GetParam().steps;
  const auto life = [&](int ranks, const std::string& shares, int killed_in) {
    Start start{.ranks = ranks, .overrides = {"dist.shared_memory=" + shares, "train.grad_clip=0.1"}};
    if (killed_in > 0)
      start.fault = "kill@rank=1,point=reduce,step=" + std::to_string(killed_in) +
                    ",file=" + job.path("fired." + shares);
    return job.train(start);
  };
  ASSERT_EQ(alone.train({.launcher = Launcher::kNone, .overrides = {"train.grad_clip=0.1"}}).code, 0);
  EXPECT_EQ(life(4, "true", last - 1).code, 137);
  EXPECT_EQ(life(2, "false", last).code, 137);
  const ProcessResult result = life(3, "true", 0);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(job.state_hash(), alone.state_hash());
  EXPECT_EQ(injections(job.path("fired.true")), 1);
  EXPECT_EQ(injections(job.path("fired.false")), 1);
}

INSTANTIATE_TEST_SUITE_P(Model, WorldSize,
                         ::testing::Values(Recipe{"MlpWithDropout", mlp_config, 12},
                                           Recipe{"Resnet18", resnet_config, 3},
                                           Recipe{"Gpt", gpt_config, 4}),
                         [](const auto& info) { return info.param.name; });

// Which rank computed which micro-batch of which step, from the lines the ranks wrote themselves.
using Work = std::map<std::pair<int, int>, std::vector<int>>;

Work noted_work(const std::string& file) {
  const std::regex form("note rank=([0-9]+) step=([0-9]+) attempt=1 point=micro_batch index=([0-9]+)");
  Work work;
  for (const std::string& line : lines_of(file)) {
    std::smatch found;
    EXPECT_TRUE(std::regex_match(line, found, form)) << line;
    work[{std::stoi(found[2]), std::stoi(found[3])}].push_back(std::stoi(found[1]));
  }
  return work;
}

TEST(Work, OfEveryStepIsSharedWithoutOverlapOrExcess) {
  for (const int micro_batches : {12, 7}) {
    for (const int ranks : {1, 2, 3, 4}) {
      SCOPED_TRACE(std::to_string(micro_batches) + " micro-batches on " + std::to_string(ranks) + " ranks");
      const Job job(mlp_config());
      const std::string file = job.path("work");
      const ProcessResult result =
          job.train({.ranks = ranks,
                     .fault = "note@point=micro_batch,file=" + file,
                     .overrides = {"train.global_batch=" + std::to_string(2 * micro_batches)}});
      ASSERT_EQ(result.code, 0) << result.err;
      const Work work = noted_work(file);
      ASSERT_EQ(work.size(), 12u * micro_batches);
      std::map<std::pair<int, int>, int> load;  // step and rank
      for (const auto& [key, by] : work) {
        EXPECT_EQ(by.size(), 1u) << "step " << key.first << " micro-batch " << key.second;
        ++load[{key.first, by.front()}];
      }
      EXPECT_EQ(load.size(), 12u * ranks);
      for (const auto& [key, count] : load) {
        EXPECT_LE(count, (micro_batches + ranks - 1) / ranks);
        EXPECT_GE(count, micro_batches / ranks);
      }
    }
  }
}

TEST(Work, ForFewerMicroBatchesThanRanksIsRefused) {
  const Job job(mlp_config());
  const ProcessResult result = job.train({.ranks = 4, .overrides = {"train.global_batch=6"}});
  EXPECT_EQ(result.code, 78);
  EXPECT_NE(result.err.find("3"), std::string::npos) << result.err;
  EXPECT_EQ(job.state_hash(), "");
}

// The largest difference between two checkpoints' tensors of floats, each relative to its tensor's largest
// value.
double difference(const Job& a, const Job& b, int step) {
  double largest = 0;
  const auto other = b.floats(step);
  for (const auto& [name, values] : a.floats(step)) {
    double scale = 0, apart = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      scale = std::max(scale, std::abs(static_cast<double>(values[i])));
      apart = std::max(apart, std::abs(static_cast<double>(values[i]) - other.at(name).at(i)));
    }
    EXPECT_GT(scale, 0) << name;
    largest = std::max(largest, apart / scale);
  }
  return largest;
}

class FastReduce : public ::testing::TestWithParam<int> {};

TEST_P(FastReduce, RepeatsItsBits) {
  const Start fast{.ranks = GetParam(), .overrides = {"dist.reduce=fast"}};
  std::set<std::string> hashes;
  for (int life = 0; life < 2; ++life) {
    const Job job(mlp_config());
    EXPECT_EQ(job.train(fast).code, 0);
    hashes.insert(job.state_hash());
  }
  EXPECT_EQ(hashes.size(), 1u);
  EXPECT_FALSE(hashes.contains(""));
}

TEST_P(FastReduce, IsWithinAMillionthOfExactAfterOneStep) {
  // SGD's slots after one step are the gradients themselves.
  const auto one_step = [](const std::string& reduce) -> std::vector<std::string> {
    return {"dist.reduce=" + reduce, "train.steps=1", "schedule.warmup_steps=0", "optim.type=sgd",
            "optim.momentum=0.9"};
  };
  const Job fast(mlp_config()), exact(mlp_config());
  ASSERT_EQ(fast.train({.ranks = GetParam(), .overrides = one_step("fast")}).code, 0);
  ASSERT_EQ(exact.train({.ranks = GetParam(), .overrides = one_step("exact")}).code, 0);
  EXPECT_EQ(fast.floats(1).size(), 13u);  // six weights, their momenta, and the count of steps
  EXPECT_LE(difference(exact, fast, 1), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Ranks, FastReduce, ::testing::Values(1, 2, 3, 4));

}  // namespace
}  // namespace lockstep::testing
