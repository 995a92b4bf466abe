// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "data/foreign_file.h"
#include "data/formats/builtin.h"
#include "data/formats/window_dataset.h"
#include "data/refuse.h"

namespace lockstep {
namespace {

void refuse_no_text(const FoundFile& found, const MappedFile& file) {
  if (const std::string_view kind = foreign_kind(file); !kind.empty())
    refuse_data_file(file.path(), fmt::format("is {}, not text", kind),
                     "Unpack or convert it first, or take it out of the data.");
  // Who names a file may mean its bytes, whatever they are; in a folder it lies by accident.
  if (!found.named && looks_binary(file))
    refuse_data_file(file.path(), "holds zero bytes and is no text in UTF-8",
                     "Take it out of the folder, convert it to UTF-8, or name the files one by one.");
}

}  // namespace

std::unique_ptr<Dataset> open_text(const DataOptions& options, DataPart part) {
  WindowFormat format;
  format.context = options.context;
  format.layout = [vocab = options.vocab](const FoundFile& found, const MappedFile& file) {
    refuse_no_text(found, file);
    const TokenLayout layout{"bytes", TokenType::kUInt8, 0};
    // Only a vocabulary smaller than a byte can be left; then a byte outside it would index past the
    // embedding.
    if (vocab < 256) check_tokens(file, layout, vocab);
    return layout;
  };
  return open_windows(options, part, format);
}

}  // namespace lockstep
