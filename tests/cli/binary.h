// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "support/process.h"
#include "support/temp_dir.h"

namespace lockstep::testing {

// An mlp on made-up classes: 2 micro-batches a step, 12 steps, validated. Trains in a second.
inline const char* const kSmallConfig = R"(
version: 1
run: {name: small, seed: 5}
model: {type: mlp, inputs: 16, hidden: [8], outputs: 4, dropout: 0.1}
data: {type: synthetic, samples: 160, holdout_every: 5, input_shape: [16], classes: 4}
train: {steps: 12, global_batch: 16, micro_batch: 8, eval_every: 6}
optim: {type: adamw, lr: 1e-2}
checkpoint: {async: false, every_steps: 4}
log: {every_steps: 3}
)";

// The real binary in a folder of its own, where run directories and files of a test go.
class Binary : public ::testing::Test {
 protected:
  void SetUp() override { write_file(dir_ / "run.yaml", kSmallConfig); }

  ProcessOptions in_folder(std::map<std::string, std::string> environment = {}) const {
    ProcessOptions options;
    options.directory = dir_.path();
    options.environment = mpi_environment();
    for (const auto& [name, value] : environment) options.environment[name] = value;
    return options;
  }
  ProcessResult lockstep(std::vector<std::string> words,
                         std::map<std::string, std::string> environment = {}) const {
    words.insert(words.begin(), LOCKSTEP_BINARY);
    return run(words, in_folder(std::move(environment)));
  }
  ProcessResult ranks(int number, std::vector<std::string> words) const {
    words.insert(words.begin(), LOCKSTEP_BINARY);
    return run(under_mpirun(number, words), in_folder());
  }
  // Trains run.yaml, which must succeed.
  void train(std::vector<std::string> overrides = {}) const {
    overrides.insert(overrides.begin(), {"train", "-c", "run.yaml"});
    const ProcessResult result = lockstep(overrides);
    ASSERT_EQ(result.code, 0) << result.err;
  }

  TempDir dir_;
};

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The exit code, and a message on standard error that holds every one of `parts`.
inline void expect_refused(const ProcessResult& result, int code, const std::vector<std::string>& parts) {
  EXPECT_EQ(result.code, code) << result.err;
  EXPECT_THAT(result.err, ::testing::HasSubstr("error: "));
  for (const std::string& part : parts) EXPECT_THAT(result.err, ::testing::HasSubstr(part));
}

}  // namespace lockstep::testing
