// SPDX-License-Identifier: Apache-2.0
// What `train --dry-run` says of memory, beside what the run then takes.
#include <filesystem>
#include <iostream>
#include <regex>

#include "base/process_memory.h"
#include "base/process_text.h"
#include "job/job.h"

namespace lockstep::testing {
namespace {

struct Shape {
  const char* name;
  const char* config;

  friend void PrintTo(const Shape& one, std::ostream* out) { *out << one.name; }
};

// A save brings the optimizer's state together.
const Shape kSharded = {"MlpShardedByMessages", R"(
version: 1
run: {name: run, dir: run, seed: 7}
model: {type: mlp, inputs: 1024, hidden: [2048, 1536], outputs: 512}
data: {type: synthetic, samples: 512, input_shape: [1024], classes: 512}
train: {steps: 30, global_batch: 16, micro_batch: 4}
optim: {type: adamw, sharded: true}
dist: {shared_memory: false}
checkpoint: {every_steps: 10}
log: {every_steps: 1}
)"};

const Shape kShapes[] = {
    // 6 million parameters: the state is what is large. Two micro-batches a rank at 2 ranks.
    {"Mlp", R"(
version: 1
run: {name: run, dir: run, seed: 7}
model: {type: mlp, inputs: 1024, hidden: [2048, 1536], outputs: 512}
data: {type: synthetic, samples: 512, input_shape: [1024], classes: 512}
train: {steps: 30, global_batch: 16, micro_batch: 4}
checkpoint: {every_steps: 20}
log: {every_steps: 1}
)"},
    // Activations are what is large.
    {"Gpt", R"(
version: 1
run: {name: run, dir: run, seed: 7}
model: {type: gpt, layers: 3, heads: 6, width: 192, context: 64, vocab: 256}
data: {type: text, train: {path: train.txt}}
train: {steps: 12, global_batch: 24, micro_batch: 12, grad_clip: 1.0}
checkpoint: {every_steps: 5}
log: {every_steps: 1}
)"}};

// The ranks of a host together: what describe_memory() adds, at its largest. Blocks of a file on its way are
// there for some milliseconds, so what is quick to read is read often, and libraries, which only grow,
// seldom.
class Looks {
 public:
  explicit Looks(const Job& job) : job_(job) {}

  void look() {
    if (looks_++ % 64 == 0) look_at_all();
    ProcessMemory host;
    for (const pid_t rank : ranks_) {
      const ProcessMemory one = process_memory_of(process_text(rank, "smaps_rollup"), "");
      host.own += one.own;
      host.common += one.common;
    }
    most_ = std::max(most_, host.own + host.common + program_);
  }
  double most_in_mb() const { return static_cast<double>(most_) / 1e6; }

 private:
  void look_at_all() {
    ranks_.clear();
    for (const pid_t process : job_.processes()) {
      if (process_text(process, "comm") != "lockstep\n") continue;
      ranks_.push_back(process);
      program_ = std::max(program_, process_memory_of("", process_text(process, "smaps")).program);
    }
  }

  const Job& job_;
  int looks_ = 0;
  std::vector<pid_t> ranks_;
  std::uint64_t program_ = 0;
  std::uint64_t most_ = 0;
};

Start start_of(int ranks, bool async) {
  return {.ranks = ranks,
          .launcher = ranks == 1 ? Launcher::kNone : Launcher::kMpirun,
          .overrides = {async ? "checkpoint.async=true" : "checkpoint.async=false"}};
}

// At its largest, in MB.
double taken_by_run(const Job& job, const Start& start) {
  Process process(job.command(start), job.options(start));
  Looks looks(job);
  while (process.running()) looks.look();
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 0) << result.err;
  return looks.most_in_mb();
}

struct Said {
  double all = 0;
  std::map<std::string, double> parts;
};

Said said_of(const std::string& text) {
  Said said;
  std::smatch found;
  if (std::regex_search(text, found, std::regex(R"(memory on the host \(\d+ ranks?\): ([\d.]+) MB)")))
    said.all = std::stod(found[1]);
  const std::regex part(R"(\n  ([a-z0-9., -]+[a-z0-9]) +([\d.]+) MB)");
  for (std::sregex_iterator one(text.begin(), text.end(), part), end; one != end; ++one)
    said.parts[(*one)[1]] = std::stod((*one)[2]);
  return said;
}

class DryRunMemory : public ::testing::TestWithParam<std::tuple<Shape, int, bool>> {};

TEST_P(DryRunMemory, IsWhatTheRunThenTakes) {
  const auto& [shape, ranks, async] = GetParam();
  const Job job(shape.config);
  Start start = start_of(ranks, async);
  start.overrides.push_back("--dry-run");
  const ProcessResult dry = job.train(start);
  ASSERT_EQ(dry.code, 0) << dry.err;
  EXPECT_FALSE(std::filesystem::exists(job.run())) << "it writes nothing";
  const Said said = said_of(dry.out);
  ASSERT_EQ(said.parts.size(), 9u) << dry.out;
  double sum = 0;
  for (const auto& [name, megabytes] : said.parts) sum += megabytes;
  EXPECT_NEAR(sum, said.all, 0.5) << dry.out;

  const double taken = taken_by_run(job, start_of(ranks, async));
  std::cout << "said " << said.all << " MB, taken " << taken << " MB: " << 100 * (said.all / taken - 1)
            << " %\n";
  EXPECT_NEAR(said.all, taken, 0.05 * taken) << dry.out;
}

// Twelve micro-batches on one rank, of which the model computes two: those that BatchNorm does not count are
// no fault of the model.
TEST(DryRun, TakesAModelThatCountsItsBatches) {
  const Job job(resnet_config());
  const ProcessResult result = job.train({.launcher = Launcher::kNone, .overrides = {"--dry-run"}});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_GT(said_of(result.out).all, 100) << result.out;
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<Shape, int, bool>>& one) {
  const auto& [shape, ranks, async] = one.param;
  return std::string(shape.name) + "At" + std::to_string(ranks) + (async ? "SavesBeside" : "SavesAndWaits");
}

INSTANTIATE_TEST_SUITE_P(, DryRunMemory,
                         ::testing::Combine(::testing::ValuesIn(kShapes), ::testing::Values(1, 2),
                                            ::testing::Bool()),
                         name_of);

INSTANTIATE_TEST_SUITE_P(OfParts, DryRunMemory,
                         ::testing::Combine(::testing::Values(kSharded), ::testing::Values(2),
                                            ::testing::Bool()),
                         name_of);

}  // namespace
}  // namespace lockstep::testing
