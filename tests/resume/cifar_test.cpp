// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "job/job.h"

namespace lockstep::testing {
namespace {

// CIFAR-10's binary layout, in its five training files and the test file: a label, then 3 x 32 x 32 bytes.
// Each class has a colour of its own under noise.
void write_cifar(const Job& job) {
  unsigned noise = 1;
  for (const std::string name :
       {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}) {
    std::string records;
    for (int sample = 0; sample < 40; ++sample) {
      const int label = sample % 10;
      records += static_cast<char>(label);
      for (int byte = 0; byte < 3072; ++byte) {
        noise = noise * 1664525u + 1013904223u;
        const int colour = (label * (byte / 1024 * 7 + 3)) % 10 * 20;
        records += static_cast<char>(colour + static_cast<int>(noise >> 26));
      }
    }
    write_file(job.path(name + ".bin"), records);
  }
}

TEST(Resnet18, OnCifarFilesTrainsToAFallingLossAtTwoRanks) {
  const Job job(R"(
version: 1
run: {name: cifar, seed: 5, dir: run}
model: {type: resnet18, classes: 10, stem: cifar}
data:
  type: cifar10
  train: {path: .}
  normalize: {mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}
train: {steps: 24, global_batch: 16, micro_batch: 8}
optim: {type: adamw, lr: 2e-4}
log: {every_steps: 1}
)");
  write_cifar(job);
  const ProcessResult result = job.train({.ranks = 2});
  ASSERT_EQ(result.code, 0) << result.err;
  const std::vector<Json> lines = job.metrics();
  ASSERT_EQ(lines.size(), 24u);
  double first = 0, last = 0;  // of four steps each
  for (int i = 0; i < 4; ++i) {
    first += lines[i].at("loss").get<double>();
    last += lines[20 + i].at("loss").get<double>();
  }
  EXPECT_LT(last, 0.75 * first);
  EXPECT_TRUE(lines.back().contains("valid_accuracy"));
}

}  // namespace
}  // namespace lockstep::testing
