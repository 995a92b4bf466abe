// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/file_set.h"
#include "data/formats/column.h"
#include "data/joined_files.h"
#include "lockstep/data/dataset.h"
#include "lockstep/data/options.h"

namespace lockstep {

// Which arrays of files are the fields of samples.
struct ColumnChoice {
  std::map<std::string, std::string> fields;   // names to arrays; empty: all arrays of the first file
  std::string target;                          // one of them; empty: found by its name
  std::map<std::string, std::string> lengths;  // data.lengths
  bool has_target = true;                      // else one without elements is added
  bool is_pair = false;                        // made by pair()

  // As data.fields, data.target and data.lengths say.
  static ColumnChoice named(const DataOptions& options);
  // The same, leaving the target aside, for prediction.
  static ColumnChoice named_inputs(const DataOptions& options);
  // Two arrays as "input" and "target"; without labels the target has no elements.
  static ColumnChoice pair(const DataFiles& names);
};

// Opens one of the files, which outlives the result.
using OpenColumns = std::function<std::unique_ptr<ColumnFile>(const MappedFile& file)>;

// Local. Samples that are rows of arrays, in one or several files that are joined. Throws Fault: 66 for files
// that cannot be read or are not alike, 78 for options that do not fit them.
std::unique_ptr<Dataset> open_columns(const FileSet& files, const ColumnChoice& choice,
                                      const DataOptions& options, const OpenColumns& open);

}  // namespace lockstep
