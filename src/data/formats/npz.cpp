// SPDX-License-Identifier: Apache-2.0
#include "data/file_set.h"
#include "data/formats/builtin.h"
#include "data/formats/column_dataset.h"
#include "data/formats/npz_file.h"
#include "data/hold_out.h"
#include "data/refuse.h"

namespace lockstep {
namespace {

std::unique_ptr<Dataset> open_files(const DataFiles& files, const ColumnChoice& choice,
                                    const DataOptions& options) {
  if (files.paths.empty()) refuse_option("data.type npz needs a path", "Such as {path: digits.npz}.");
  return open_columns(find_files(files.paths), choice, options,
                      [](const MappedFile& mapped) { return open_npz(mapped.bytes(), mapped.path()); });
}

}  // namespace

std::unique_ptr<Dataset> open_npz_data(const DataOptions& options, DataPart part) {
  return open_part(options, part, [&](const DataFiles& files) {
    return open_files(files, ColumnChoice::named(options), options);
  });
}

std::unique_ptr<Dataset> open_npz_inputs(const DataOptions& options) {
  return open_files(options.train, ColumnChoice::named_inputs(options), options);
}

}  // namespace lockstep
