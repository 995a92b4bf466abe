// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/comm/world.h"
#include "lockstep/data/dataset.h"
#include "lockstep/models/model.h"
#include "train/device.h"
#include "train/target_reader.h"

namespace lockstep {

struct EvaluationOptions {
  std::int64_t chunk = 16;  // samples at a time: train.micro_batch
  TargetOptions targets;
  std::string model = {};  // model.type, for messages; empty: the class's name
};

struct EvaluationParts {
  World& world;
  Model& model;
  const Dataset& dataset;
  ComputeDevice compute;
};

// Means over every sample of a dataset: "loss", and "accuracy", "perplexity" (sequences of classes), "mse"
// and "mae" (regression), or what the model's metrics() names. Chunk c is computed by rank c mod W and the
// sums are added in double, in chunk order: the same numbers at any world size.
//
// Labels that data.ignore_label names count in none of them. Throws Fault (78) as TargetReader::loss does,
// and (66) when no label counts.
//
// Collective. The model is in eval mode under inference mode meanwhile; then each module has its former mode,
// also after an exception. Throws AgreedFault (78) where a buffer changes from chunk to chunk.
std::map<std::string, double> evaluate(const EvaluationParts& parts, const EvaluationOptions& options);

// A number that an evaluation gave and that is none, and what is known of why.
struct OddEvaluation {
  std::string name;
  double value = 0;
  std::string cause;
};

// Collective. Empty where all of `means` (of evaluate()) are finite; a perplexity too large for a double is
// its loss's, and none. Else found by looking again: the first sample with a value that is not finite, else
// the first such parameter or buffer, else the first chunk. The same on every rank.
std::optional<OddEvaluation> odd_evaluation(const EvaluationParts& parts, const EvaluationOptions& options,
                                            const std::map<std::string, double>& means);

// Local. The names of what evaluate() gives, from the first and the last chunk. The model's modes are put
// back, its buffers are whatever the model makes of them. Throws Fault (78) where it will fail on these.
std::vector<std::string> try_chunks(const EvaluationParts& parts, const EvaluationOptions& options);

}  // namespace lockstep
