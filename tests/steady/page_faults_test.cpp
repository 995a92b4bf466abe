// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <iostream>
#include <sstream>

#include "job/job.h"

namespace lockstep::testing {
namespace {

// The model of launch/quickstart, on text of the test's own.
const char* const kGpt = R"(
version: 1
run: {name: run, dir: run, seed: 7}
model: {type: gpt, layers: 3, heads: 6, width: 192, context: 64, vocab: 256}
data: {type: text, train: {path: train.txt}}
train: {steps: 24, global_batch: 24, micro_batch: 12, grad_clip: 1.0}
optim: {type: adamw, lr: 4e-3, betas: [0.9, 0.95], weight_decay: 0.1}
checkpoint: {every_steps: 1000}
log: {every_steps: 1}
)";

// 5 million parameters: its gradients are what is large.
const char* const kMlp = R"(
version: 1
run: {name: run, dir: run, seed: 7}
model: {type: mlp, inputs: 1024, hidden: [1536, 1536], outputs: 512}
data: {type: synthetic, samples: 512, input_shape: [1024], classes: 512}
train: {steps: 60, global_batch: 16, micro_batch: 4}
checkpoint: {every_steps: 1000}
log: {every_steps: 1}
)";

bool is_rank(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/comm");
  std::string name;
  return file >> name && name == "lockstep";
}

// Minor page faults of a process so far: the tenth field; the second, the name, ends with the last ')'.
long faults_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::string field;
  for (int i = 3; i <= 10; ++i) fields >> field;
  return field.empty() ? -1 : std::stol(field);
}

struct Steady {
  double faults = -1;  // of a step, in the rank that has the most
  std::string state_hash;
};

// Looks at the ranks after step 8 and before the end.
Steady steady(const char* config, int ranks, bool keeps) {
  const Job job(config);
  Start start;
  start.ranks = ranks;
  start.launcher = ranks == 1 ? Launcher::kNone : Launcher::kMpirun;
  ProcessOptions options = job.options(start);
  if (!keeps) {
    start.overrides = {"memory.keep=false"};
    // What malloc begins with; what it makes of it by itself is another in every run.
    options.environment["MALLOC_MMAP_THRESHOLD_"] = "131072";
  }
  Process process(job.command(start), options);
  const auto steps = [&] { return static_cast<int>(job.history().size()); };
  const auto reached = [&](int step) {
    return wait_until([&] { return steps() >= step || !process.running(); }, std::chrono::seconds(60)) &&
           steps() >= step;
  };
  Steady found;
  if (reached(8)) {
    std::map<pid_t, long> before;
    for (const pid_t one : job.processes())
      if (is_rank(one)) before[one] = faults_of(one);
    EXPECT_EQ(before.size(), static_cast<std::size_t>(ranks));
    const int from = steps();
    EXPECT_TRUE(reached(from + 8));
    for (const auto& [one, count] : before)
      found.faults = std::max(found.faults, static_cast<double>(faults_of(one) - count) / (steps() - from));
  }
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 0) << result.err;
  found.state_hash = job.state_hash();
  return found;
}

class PageFaults : public ::testing::TestWithParam<const char*> {};

TEST_P(PageFaults, OfASteadyStepAreFewAndTheBitsAreThoseWithoutIt) {
  const Steady without = steady(GetParam(), 1, /*keeps=*/false);
  EXPECT_GT(without.faults, 500) << "nothing to save is measured";
  for (const int ranks : {1, 2}) {
    SCOPED_TRACE(ranks);
    const Steady kept = steady(GetParam(), ranks, /*keeps=*/true);
    EXPECT_GE(kept.faults, 0);
    EXPECT_LT(kept.faults, 100);
    EXPECT_EQ(kept.state_hash, without.state_hash);
    std::cout << kept.faults << " page faults a step, " << without.faults << " without it\n";
  }
  EXPECT_FALSE(without.state_hash.empty());
}

INSTANTIATE_TEST_SUITE_P(, PageFaults, ::testing::Values(kGpt, kMlp),
                         [](const auto& one) { return one.param == kGpt ? "Gpt" : "Mlp"; });

}  // namespace
}  // namespace lockstep::testing
