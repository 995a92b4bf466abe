// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

// Where one part (training or validation) of the data lies. Paths are absolute, or relative to the working
// directory.
struct DataFiles {
  std::vector<std::string> paths;  // a folder, a file or several
  std::string inputs;              // idx: a file; hdf5: a dataset name, without DataOptions::fields
  std::string labels;              // likewise

  bool empty() const { return paths.empty() && inputs.empty() && labels.empty(); }
};

// data.augment: what is done to images in training, anew in every epoch.
struct ImageAugmentation {
  bool flip = false;      // left and right, half of the time
  std::int64_t crop = 0;  // padded by as many pixels on all sides, then cut to size anywhere

  bool any() const { return flip || crop > 0; }
};

// The `data` section of a config.
struct DataOptions {
  std::string type;  // text|tokens|idx|cifar10|hdf5|npz|synthetic, or a registered one
  DataFiles train;
  DataFiles valid;
  // hdf5, npz: names of fields to names of arrays in the files; npz without any: all under their own.
  std::map<std::string, std::string> fields;
  std::string target;                          // the field that the loss compares with; empty: by its name
  std::map<std::string, std::string> lengths;  // fields that vary to the arrays with their samples' lengths
  bool shuffle = true;
  std::int64_t workers = 1;  // threads that read samples
  ImageAugmentation augment;
  std::optional<std::int64_t> ignore_label;  // a label that counts in no loss and no metric
  std::string token_dtype;  // tokens: of files without a header, such as uint16; empty: found out
  // Every n-th file of a text or token folder (every n-th sample of other types) is held out for validation;
  // 0: none. Only without `valid`.
  std::int64_t holdout_every = 0;
  std::vector<double> mean;  // data.normalize, per channel; empty: none
  std::vector<double> std;
  // synthetic: samples in all (holdout_every takes the validation part from them), and what they look like
  std::int64_t samples = 1024;
  std::vector<std::int64_t> input_shape;
  std::int64_t classes = 10;  // 0: regression with `targets` floats
  std::int64_t targets = 1;
  // Not keys of `data`: filled in from the model (gpt) and run sections.
  std::int64_t context = 0;
  std::int64_t vocab = 256;
  std::uint64_t seed = 0;
  // Classes that labels are among; 0: not known.
  std::int64_t label_classes = 0;
  // A model of the program's own takes integers as they are (hdf5); the built-in ones take numbers.
  bool integer_inputs = false;
  std::map<std::string, std::string> params;  // data.params, for registered types
};

}  // namespace lockstep
