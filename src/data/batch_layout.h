// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "lockstep/data/sample.h"

namespace lockstep {

class Dataset;

// What the batches of a dataset are made of.
struct BatchLayout {
  std::vector<Field> fields;
  std::string target;  // one of them
};

// Local. Throws Fault (70) for fields that make no batch: none, a name twice, without a target, a dimension
// but the first that varies.
BatchLayout layout_of(const Dataset& dataset);

// Local. The field that the loss compares with. Throws as layout_of() does.
Field target_of(const Dataset& dataset);

// Of a field that varies, the one that has its lengths.
std::string length_name(const std::string& field);

}  // namespace lockstep
