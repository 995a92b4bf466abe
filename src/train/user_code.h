// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/foreign_exception.h"
#include "lockstep/data/dataset.h"

namespace lockstep {

// A call of a model, as one would tell it to the person who wrote it.
struct ModelCall {
  std::string model;    // "resnet18"
  std::string place;    // "step 3, micro-batch 1"
  std::string inputs;   // shapes and types: shapes_of()
  std::string samples;  // where they lie: places_of()
  std::int64_t micro_batch = 1;
  bool first = false;  // none before it has worked in this life: the next start would end the same way
  bool saved = false;  // there is a checkpoint to go on from
};

// Local. What a model threw, as the end of the run: model, place, shapes, samples and its own words. Code 69
// out of memory; 78 where LibTorch complains at the first call; else 70.
Fault fault_of(const ForeignException& thrown, const ModelCall& call);

// Local. "input float32 [16, 3, 32, 32], target int64 [16]", for `samples` samples; never throws.
std::string shapes_of(const Dataset& dataset, std::int64_t samples);

// Local. Dataset::place_of() of the first few and the number of the others; never throws.
std::string places_of(const Dataset& dataset, const std::vector<std::int64_t>& indices);

}  // namespace lockstep
