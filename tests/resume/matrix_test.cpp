// SPDX-License-Identifier: Apache-2.0
// One state hash, whatever trains and whoever computes: everything that a run may combine, against a world of
// one. Every two values of any two factors are together in one of the cases; the whole product is the nightly
// one's.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "job/job.h"

namespace lockstep::testing {
namespace {

struct Model {
  const char* name;
  std::string (*config)();
  int steps;
  const char* frozen;  // a group
};

const Model kModels[] = {{"MlpWithDropout", mlp_config, 12, "layers.0.*"},
                         {"ResnetWithBatchNorm", resnet_config, 3, "layer1.*"},
                         {"Gpt", gpt_config, 4, "transformer.h.0.attn.*"}};
constexpr std::size_t kGpt = 2;

// How it is computed: by so many ranks, killed and gone on with by others, or by 2 + 1 on two hosts.
struct Course {
  const char* name;
  std::vector<int> ranks;
  bool two_hosts = false;
};
const Course kCourses[] = {{"By1", {1}},
                           {"By2", {2}},
                           {"By3", {3}},
                           {"By4", {4}},
                           {"By4Then2Then3", {4, 2, 3}},
                           {"On2Hosts", {3, 3}, true}};

// How gradients go from rank to rank.
struct Road {
  const char* name;
  std::vector<std::string> overrides;
  std::vector<std::string> on_one_host = {};  // and these
};
const Road kRoads[] = {
    {"", {}},  // in memory that ranks of a host have in common
    {"ByMessages", {"dist.shared_memory=false", "dist.overlap=off"}},
    // Between two hosts from memory that the ranks of each have in common.
    {"InEarlyBuckets", {"dist.overlap=on", "dist.bucket_mb=0.01"}, {"dist.shared_memory=false"}},
    {"ByMessagesWithShardedState",
     {"dist.shared_memory=false", "optim.sharded=true", "checkpoint.layout=sharded"}},
    // What between hosts alone is something of its own.
    {"WithShardedState", {"optim.sharded=true"}},
    {"WithShardedStateInShardsInEarlyBuckets",
     {"optim.sharded=true", "checkpoint.layout=sharded", "dist.overlap=on", "dist.bucket_mb=0.01"}}};
constexpr std::size_t kShardedByMessages = 3, kFirstBetweenHosts = 4;

// The factors, and what their values are called.
enum Factor { kModel, kPrecision, kClipped, kAccumulated, kFrozen, kRecomputed, kCourse, kRoad, kFactors };
using Row = std::array<std::size_t, kFactors>;
constexpr Row kSizes = {std::size(kModels), 2, 2, 2, 2, 2, std::size(kCourses), std::size(kRoads)};

bool is_possible(const Row& row) {
  const bool has_blocks = row[kModel] == kGpt;
  const bool is_alone = row[kCourse] == 0;  // with nobody to exchange anything with
  const Course& course = kCourses[row[kCourse]];
  const bool fits = row[kRoad] < kShardedByMessages || course.two_hosts ||
                    (row[kRoad] < kFirstBetweenHosts && course.ranks.size() > 1);
  return (row[kRecomputed] == 0 || has_blocks) && (row[kRoad] == 0 || !is_alone) && fits;
}

std::string name_of(const Row& row) {
  const auto word = [&](Factor factor, const char* text) { return row[factor] == 1 ? text : ""; };
  return std::string(kModels[row[kModel]].name) + word(kPrecision, "Bf16") + word(kClipped, "Clipped") +
         word(kAccumulated, "Accumulated") + word(kFrozen, "Frozen") + word(kRecomputed, "Recomputed") +
         kCourses[row[kCourse]].name + kRoads[row[kRoad]].name;
}

std::vector<Row> all_rows() {
  std::vector<Row> rows = {Row{}};
  for (std::size_t factor = 0; factor < kFactors; ++factor) {
    std::vector<Row> longer;
    for (Row row : rows)
      for (row[factor] = 0; row[factor] < kSizes[factor]; ++row[factor]) longer.push_back(row);
    rows = std::move(longer);
  }
  std::erase_if(rows, [](const Row& row) { return !is_possible(row); });
  return rows;
}

using Pair = std::array<std::size_t, 4>;  // factor, value, factor, value

std::set<Pair> pairs_of(const Row& row) {
  std::set<Pair> pairs;
  for (std::size_t a = 0; a < kFactors; ++a)
    for (std::size_t b = a + 1; b < kFactors; ++b) pairs.insert({a, row[a], b, row[b]});
  return pairs;
}

// Each row is the one with the most pairs that were in none before.
std::vector<Row> rows_in_pairs() {
  const std::vector<Row> all = all_rows();
  std::set<Pair> open;
  for (const Row& row : all) open.merge(pairs_of(row));
  const auto gain = [&](const Row& row) {
    return std::ranges::count_if(pairs_of(row), [&](const Pair& pair) { return open.contains(pair); });
  };
  std::vector<Row> rows;
  while (!open.empty()) {
    rows.push_back(*std::ranges::max_element(all, {}, gain));
    for (const Pair& pair : pairs_of(rows.back())) open.erase(pair);
  }
  return rows;
}

// What makes the numbers: the same for the reference.
std::vector<std::string> overrides_of(const Row& row) {
  std::vector<std::string> words = {
      std::string("train.precision=") + (row[kPrecision] == 1 ? "bf16" : "full"),
      std::string("train.grad_clip=") + (row[kClipped] == 1 ? "0.1" : "0"),
      // 12 micro-batches, or one for each of four ranks.
      std::string("train.global_batch=") + (row[kAccumulated] == 1 ? "24" : "8")};
  if (row[kFrozen] == 1)
    words.push_back(std::string("optim.groups=[{match: [\"") + kModels[row[kModel]].frozen +
                    "\"], frozen: true}]");
  return words;
}

std::string reference_of(const Row& row) {
  return reference_hash(kModels[row[kModel]].config(), overrides_of(row));
}

// The life of these ranks; killed in `killed_in`, if that is not 0.
ProcessResult live(const Job& job, const Row& row, int ranks, int killed_in) {
  Start start{.ranks = ranks, .overrides = overrides_of(row)};
  const Road& road = kRoads[row[kRoad]];
  std::ranges::copy(road.overrides, std::back_inserter(start.overrides));
  if (!kCourses[row[kCourse]].two_hosts)
    std::ranges::copy(road.on_one_host, std::back_inserter(start.overrides));
  if (row[kRecomputed] == 1) start.overrides.push_back("train.recompute=blocks");
  if (killed_in > 0)
    start.fault = "kill@rank=1,point=reduce,step=" + std::to_string(killed_in) +
                  ",file=" + job.path("fired." + std::to_string(ranks));
  if (kCourses[row[kCourse]].two_hosts) start.on_two_hosts();
  return job.train(start);
}

void expect_hash(const Row& row, const std::string& reference) {
  const Model& model = kModels[row[kModel]];
  const std::vector<int>& lives = kCourses[row[kCourse]].ranks;
  const Job job(model.config());
  // The last lives to its end; each before it is killed one step later than the one before.
  for (std::size_t i = 0; i + 1 < lives.size(); ++i) {
    const int step = model.steps - static_cast<int>(lives.size()) + 2 + static_cast<int>(i);
    // 76 where a rank that sees that another is gone has ended before the launcher looked.
    EXPECT_THAT(live(job, row, lives[i], step).code, ::testing::AnyOf(137, 76));
    EXPECT_EQ(injections(job.path("fired." + std::to_string(lives[i]))), 1);
  }
  const ProcessResult result = live(job, row, lives.back(), 0);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(job.show(job.checkpoint(model.steps)).at("world"), lives.back());
  EXPECT_EQ(job.events("resumed").size(), lives.size() - 1);
  EXPECT_EQ(job.state_hash(), reference);
}

// Else the cases on two hosts would be some on one.
TEST(TwoHosts, AreTwoToTheirRanks) {
  if (!no_hosts().empty()) GTEST_SKIP() << no_hosts();
  const Job job(mlp_config());
  Start start{.overrides = {"--dry-run"}};
  start.on_two_hosts();
  const ProcessResult result = job.train(start);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("memory on h1, the fullest of 2 hosts (2 ranks)"), std::string::npos)
      << result.out;
}

class StateHash : public ::testing::TestWithParam<Row> {};

TEST_P(StateHash, IsThatOfAWorldOfOne) {
  if (kCourses[GetParam()[kCourse]].two_hosts && !no_hosts().empty()) GTEST_SKIP() << no_hosts();
  expect_hash(GetParam(), reference_of(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(InPairs, StateHash, ::testing::ValuesIn(rows_in_pairs()),
                         [](const auto& info) { return name_of(info.param); });

TEST(StateHashMatrix, HasEveryTwoValuesTogether) {
  const std::vector<Row> rows = rows_in_pairs();
  for (const Row& row : all_rows())
    for (const Pair& pair : pairs_of(row))
      EXPECT_TRUE(std::ranges::any_of(
          rows, [&](const Row& one) { return one[pair[0]] == pair[1] && one[pair[2]] == pair[3]; }))
          << name_of(row) << ": factors " << pair[0] << " and " << pair[2];
  EXPECT_LT(rows.size(), 30u) << "it is to be short";
}

// All of it: what of a model goes one course.
class StateHashNightly : public ::testing::TestWithParam<std::tuple<std::size_t, std::size_t>> {};

TEST_P(StateHashNightly, IsThatOfAWorldOfOneInTheWholeMatrix) {
  const auto [model, course] = GetParam();
  if (kCourses[course].two_hosts && !no_hosts().empty()) GTEST_SKIP() << no_hosts();
  std::map<std::vector<std::string>, std::string> references;
  int count = 0;
  for (const Row& row : all_rows()) {
    if (row[kModel] != model || row[kCourse] != course) continue;
    SCOPED_TRACE(name_of(row));
    std::string& reference = references[overrides_of(row)];
    if (reference.empty()) reference = reference_of(row);
    expect_hash(row, reference);
    ++count;
  }
  EXPECT_EQ(references.size(), 16u);
  EXPECT_GE(count, 16);
}

INSTANTIATE_TEST_SUITE_P(All, StateHashNightly,
                         ::testing::Combine(::testing::Range(std::size_t{0}, std::size(kModels)),
                                            ::testing::Range(std::size_t{0}, std::size(kCourses))),
                         [](const auto& info) {
                           return std::string(kModels[std::get<0>(info.param)].name) +
                                  kCourses[std::get<1>(info.param)].name;
                         });

}  // namespace
}  // namespace lockstep::testing
