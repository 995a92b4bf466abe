// SPDX-License-Identifier: Apache-2.0
#include "loop/replicas.h"

#include <set>

#include "train/small_run.h"
#include "train/training_state.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<ReplicaCopy> copies(const std::vector<std::string>& digests) {
  std::vector<ReplicaCopy> all;
  for (const std::string& digest : digests) all.push_back({"host", digest, "rest"});
  return all;
}

TEST(OddRanks, AreThoseUnlikeMost) {
  EXPECT_THAT(odd_ranks(copies({"a", "a", "a"})).ranks, IsEmpty());
  EXPECT_THAT(odd_ranks(copies({"a", "b", "a"})).ranks, ElementsAre(1));
  EXPECT_THAT(odd_ranks(copies({"b", "a", "a", "c", "a"})).ranks, ElementsAre(0, 3));
  EXPECT_TRUE(odd_ranks(copies({"b", "a", "a"})).majority);
}

TEST(OddRanks, AreAllWhereThereIsNoMajority) {
  for (const auto& digests : std::vector<std::vector<std::string>>{{"a", "b"}, {"a", "a", "b", "b"}}) {
    EXPECT_FALSE(odd_ranks(copies(digests)).majority);
    EXPECT_EQ(odd_ranks(copies(digests)).ranks.size(), digests.size());
  }
}

TEST(OddRanks, BuffersCountToo) {
  std::vector<ReplicaCopy> all = copies({"a", "a", "a"});
  all[2].rest = "other";
  EXPECT_THAT(odd_ranks(all).ranks, ElementsAre(2));
}

TEST(ReplicaCopy, ReadsBackEqualOnOneLine) {
  const ReplicaCopy copy{"no\nde \"7\"", "abc", ""};
  EXPECT_EQ(encode_copy(copy).find('\n'), std::string::npos);
  EXPECT_EQ(decode_copy(encode_copy(copy)), copy);
  EXPECT_EQ(decode_copy(encode_copy(copy)).host, copy.host);
}

struct Wide : Probe {
  Wide() { wide = register_module("wide", torch::nn::Linear(64, 300)); }
  torch::nn::Linear wide{nullptr};
};

class ReplicasTest : public ::testing::Test {
 protected:
  // `body` with the replicas of rank 0 in a world of two.
  void watch(std::int64_t every, const std::function<void(Replicas&, TrainingState&)>& body) {
    run_loopback(WorldSize(2), [&](World& world) {
      if (!world.is_root()) return;
      OptimOptions optim;
      TrainingState state(std::make_shared<Wide>(), optim, {torch::kCPU, torch::kFloat32});
      Reporter reporter;
      Replicas replicas({world, real_disk(), reporter, state, folder_ / ""}, every);
      body(replicas, state);
    });
  }
  testing::TempDir folder_;
};

TEST_F(ReplicasTest, EveryBitIsSeenWithinSoManySteps) {
  constexpr int kEvery = 7;
  watch(kEvery, [](Replicas& replicas, TrainingState& state) {
    const auto hashes = [&](int first) {
      std::vector<std::uint64_t> all;
      for (int step = first; step < first + kEvery; ++step) all.push_back(replicas.slice(Step(step)));
      return all;
    };
    for (const auto& item : state.persisted()) {
      if (!item.steady) continue;
      auto* bytes = static_cast<std::byte*>(item.live.data_ptr());
      for (const std::size_t at : {std::size_t{0}, item.live.nbytes() / 2, item.live.nbytes() - 1}) {
        const auto before = hashes(3);
        bytes[at] ^= std::byte{4};
        EXPECT_NE(hashes(3), before) << item.key.path() << " " << at;
        bytes[at] ^= std::byte{4};
        EXPECT_EQ(hashes(3), before);
      }
    }
  });
}

TEST_F(ReplicasTest, OneStepLooksAtAShareOnly) {
  watch(7, [](Replicas& replicas, TrainingState& state) {
    std::set<std::uint64_t> before, after;
    for (int step = 0; step < 7; ++step) before.insert(replicas.slice(Step(step)));
    *static_cast<float*>(state.arena().values().data_ptr()) += 1;
    for (int step = 0; step < 7; ++step) after.insert(replicas.slice(Step(step)));
    std::vector<std::uint64_t> same;
    std::set_intersection(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(same));
    EXPECT_EQ(same.size() + 1, before.size());
    EXPECT_GT(same.size(), 2u);
  });
}

TEST_F(ReplicasTest, TheDigestOfAllIsThatOfWhatIsSaved) {
  watch(7, [](Replicas& replicas, TrainingState& state) {
    const std::string whole = replicas.frozen(), rest = replicas.rest();
    state.arena().values()[3] += 1;
    EXPECT_NE(replicas.frozen(), whole);
    EXPECT_EQ(replicas.rest(), rest);
  });
}

TEST_F(ReplicasTest, NothingIsComparedInAWorldOfOneOrAtZero) {
  watch(0, [](Replicas& replicas, TrainingState&) { EXPECT_FALSE(replicas.watches()); });
  World world = world_of_one();
  TrainingState state(std::make_shared<Wide>(), OptimOptions(), {torch::kCPU, torch::kFloat32});
  Reporter reporter;
  EXPECT_FALSE(Replicas({world, real_disk(), reporter, state, ""}, 500).watches());
}

}  // namespace
}  // namespace lockstep
