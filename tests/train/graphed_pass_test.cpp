// SPDX-License-Identifier: Apache-2.0
// Passes of a graph, where there is no GPU: what is recorded is the work itself, done again by a host that
// knows nothing new.
#include "parallel/graphed_pass.h"

#include <gmock/gmock.h>

#include <optional>
#include <utility>

#include "lockstep/base/error.h"
#include "points.h"
#include "train/gradient_pass.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kMicroBatch = 5;

struct Recorder {
  int recorded = 0;
  int replayed = 0;
  enum { kNothing, kRecords, kReplays } does = kNothing;

  struct Graph : DeviceGraph {
    Graph(Recorder& of, std::function<void()> again) : recorder(of), work(std::move(again)) {}
    void replay() override {
      ++recorder.replayed;
      recorder.does = kReplays;
      work();
      recorder.does = kNothing;
    }
    Recorder& recorder;
    std::function<void()> work;
  };

  RecordGraph record() {
    return [this](const std::function<void()>& work) {
      ++recorded;
      does = kRecords;
      work();
      does = kNothing;
      return std::make_unique<Graph>(*this, work);
    };
  }
};

// Dropout, running statistics and their count, a parameter that nothing reaches, and inputs that are written
// to; with `branches` also a number that the host reads in the pass that is recorded, and never again.
struct Net : Model {
  Net(const Recorder& of, bool reads) : recorder(of), branches(reads) {
    a = register_module("a", torch::nn::Linear(6, 8));
    norm = register_module("norm", torch::nn::BatchNorm1d(8));
    b = register_module("b", torch::nn::Linear(8, 3));
    never = register_parameter("never", torch::ones({3}));
  }
  torch::Tensor forward(torch::Tensor x) override {
    const double mean = x.mean().item<double>();
    if (recorder.does == Recorder::kRecords) recorded = mean;
    x = torch::dropout(norm->forward(a->forward(x.mul_(1.5))), 0.5, is_training());
    return b->forward(torch::relu(x)) * factor(mean);
  }
  double factor(double mean) const {
    return branches ? 2 + (recorder.does == Recorder::kReplays ? recorded : mean) : 1;
  }
  const Recorder& recorder;
  bool branches;
  double recorded = 0;
  torch::nn::Linear a{nullptr}, b{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
  torch::Tensor never;
};

// What a rank with `mine` of 4 micro-batches leaves in each of the steps, and its buffers.
class Rank {
 public:
  explicit Rank(MicroBatchRun mine, bool graph, bool branches = false)
      : mine_(mine),
        state_((torch::manual_seed(3), std::make_shared<Net>(recorder, branches)), {}, {}),
        pass_(state_, plan(mine), {.seed = 11, .record = graph ? recorder.record() : RecordGraph()}) {}

  std::vector<torch::Tensor> step(std::int64_t step, std::int64_t samples = kMicroBatch) {
    const std::int64_t first = (4 * step + mine_.first) * kMicroBatch;
    if (step == 1) pass_.check_next();
    std::vector<torch::Tensor> left;
    for (const PartialSum& sum : pass_.run(Step(step), points(first, mine_.count * samples, samples)))
      left.push_back(sum.flat.clone());
    for (const torch::Tensor& buffer : state_.model().buffers()) left.push_back(buffer.clone());
    left.push_back(torch::rand({2}));  // where the generator stands
    return left;
  }

  Recorder recorder;

 private:
  static TrainingPlan plan(MicroBatchRun mine) {
    TrainingPlan plan;
    plan.micro_batches = 4;
    plan.mine = mine;
    plan.micro_batch = kMicroBatch;
    plan.global_batch = 4 * kMicroBatch;
    return plan;
  }

  MicroBatchRun mine_;
  TrainingState state_;
  GradientPass pass_;
};

void expect_equal(const std::vector<torch::Tensor>& one, const std::vector<torch::Tensor>& other) {
  ASSERT_EQ(one.size(), other.size());
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(torch::equal(one[i], other[i])) << i;
}

TEST(GraphedPass, GivesTheBitsOfThePassesItStandsFor) {
  for (const MicroBatchRun mine : {MicroBatchRun{0, 4}, MicroBatchRun{1, 2}, MicroBatchRun{3, 1}}) {
    Rank plain(mine, false), graphed(mine, true);
    for (int step = 1; step <= 5; ++step) {
      SCOPED_TRACE(step);
      expect_equal(plain.step(step), graphed.step(step));
      EXPECT_EQ(graphed.recorder.recorded, 1);
      EXPECT_EQ(graphed.recorder.replayed, step * mine.count) << "tried in two steps, then alone";
    }
    EXPECT_EQ(plain.recorder.recorded, 0);
  }
}

TEST(GraphedPass, LeavesSamplesOfOtherShapesToTheModel) {
  Rank plain({0, 4}, false), graphed({0, 4}, true);
  for (int step = 1; step <= 3; ++step) expect_equal(plain.step(step), graphed.step(step));
  expect_equal(plain.step(4, 3), graphed.step(4, 3));
  EXPECT_EQ(graphed.recorder.replayed, 12);
  expect_equal(plain.step(5), graphed.step(5));
  EXPECT_EQ(graphed.recorder.replayed, 16);
}

TEST(GraphedPass, OfAModelThatReadsItsBatchOnTheHostIsRefused) {
  Rank graphed({0, 4}, true, /*branches=*/true);
  try {
    graphed.step(1);
    FAIL() << "replayed what one batch had said of all";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    EXPECT_THAT(fault.what(), HasSubstr("train.cuda_graph: step 1: micro-batch 1, computed by the graph of "
                                        "another one, differs in the loss ("));
    EXPECT_THAT(fault.what(), Not(HasSubstr("never"))) << "which has no gradient either way";
  }
}

TEST(GraphedPass, OfOneMicroBatchAStepIsTriedWithTheSamplesOfAnother) {
  Rank graphed({2, 1}, true, /*branches=*/true);
  EXPECT_NO_THROW(graphed.step(1)) << "the very one that was recorded";
  EXPECT_THROW(graphed.step(2), Fault);
}

}  // namespace
}  // namespace lockstep
