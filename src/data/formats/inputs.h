// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "lockstep/data/dataset.h"
#include "lockstep/data/options.h"

namespace lockstep {

// Local. Samples without targets, for prediction: their target has no elements. `path` is of the format that
// data.type names: an idx3 file, a CIFAR-10 binary or a folder of them (its labels are left aside), an
// HDF5 file in which data.train.inputs or data.fields names the datasets, or an npz file. Inputs are
// normalized as in training. Throws Fault (66) for a missing or damaged file, with the checks of training;
// (78) for another data.type.
std::unique_ptr<Dataset> open_inputs(const DataOptions& options, const std::string& path);

}  // namespace lockstep
