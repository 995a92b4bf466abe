// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "lockstep/data/dataset.h"
#include "lockstep/data/options.h"
#include "lockstep/data/registry.h"

namespace lockstep {

// The built-in types. All are Local; each opens one part, or returns null for validation data the config does
// not name. They throw Fault (66) for a missing or damaged file and (78) for options that do not fit, before
// anything is allocated from a number that a file claims.

// Bytes of files, joined: sample i is the context + 1 values from i * context; inputs and targets int64
// [context].
std::unique_ptr<Dataset> open_text(const DataOptions& options, DataPart part);

// Tokens in llm.c's files, NumPy arrays or raw numbers (token_file.h); samples as for text. Every token is
// checked against options.vocab here, once.
std::unique_ptr<Dataset> open_tokens(const DataOptions& options, DataPart part);

// MNIST's files: images idx3-ubyte, float32 {1, rows, cols} / 255; labels idx1-ubyte, int64.
std::unique_ptr<Dataset> open_idx(const DataOptions& options, DataPart part);
// The images of train.inputs alone: targets of no elements.
std::unique_ptr<Dataset> open_idx_inputs(const DataOptions& options);

// CIFAR-10's binary version: records of a label and 3 x 32 x 32 bytes, float32 / 255. A folder means
// data_batch_*.bin for training and test_batch.bin for validation.
std::unique_ptr<Dataset> open_cifar10(const DataOptions& options, DataPart part);

// Datasets of each HDF5 file, rows are samples, files are joined. Two, inputs and labels: floats stay what
// they are, uint8 become float32 / 255, bools 0 and 1, other integers floats of their value (int64 with
// options.integer_inputs). A target column of integers is one class a sample, one of floats is {1}. Or those
// that options.fields names: with options.integer_inputs as they are stored, else the same.
std::unique_ptr<Dataset> open_hdf5(const DataOptions& options, DataPart part);
// All but the target, which has no elements.
std::unique_ptr<Dataset> open_hdf5_inputs(const DataOptions& options);

// The arrays of files of numpy.savez or savez_compressed, all or those of options.fields; as for HDF5.
std::unique_ptr<Dataset> open_npz_data(const DataOptions& options, DataPart part);
std::unique_ptr<Dataset> open_npz_inputs(const DataOptions& options);

// Made up from (seed, index): classes are a mean plus noise each; without classes targets are a linear map
// plus noise.
std::unique_ptr<Dataset> open_synthetic(const DataOptions& options, DataPart part);

}  // namespace lockstep
