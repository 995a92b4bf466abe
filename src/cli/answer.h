// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "config/run_config.h"
#include "lockstep/cli/application.h"
#include "lockstep/train/predictor.h"

namespace lockstep {

// What `predict` is asked.
struct AnswerRequest {
  std::string input;     // a file of samples …
  std::int64_t top = 0;  // … classes to name; 0: one, or the values of a regression
  std::string prompt;    // or a text to continue
  std::int64_t tokens = 100;
  double temperature = 1.0;
  std::uint64_t seed = 0;
  bool json = false;
};

// Where a sample's meaning comes from.
struct AnswerContext {
  const RunConfig& config;
  const Registries& registries;
};

// Local. Prints a line for each sample of request.input: its likeliest classes, or its values. Throws Fault:
// 66 the input is missing or damaged, 78 it does not fit the model, or nothing tells classes from values.
void answer_samples(const Predictor& predictor, const AnswerContext& context, const AnswerRequest& request);

// Local. Prints prompt and continuation: text for data.type text, numbers for tokens. Throws Fault: 64 the
// prompt cannot be read, 78 the model is none of language.
void answer_prompt(const Predictor& predictor, const RunConfig& config, const AnswerRequest& request);

}  // namespace lockstep
