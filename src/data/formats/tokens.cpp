// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "data/formats/builtin.h"
#include "data/formats/token_file.h"
#include "data/formats/window_dataset.h"
#include "data/refuse.h"

namespace lockstep {

std::unique_ptr<Dataset> open_tokens(const DataOptions& options, DataPart part) {
  TokenRules rules;
  rules.vocab = options.vocab;
  if (!options.token_dtype.empty()) {
    rules.raw = token_type_from_name(options.token_dtype);
    if (!rules.raw)
      refuse_option(fmt::format("data.token_dtype is {}", options.token_dtype),
                    "Use uint8, uint16, uint32, uint64, int8, int16, int32 or int64.");
  }
  WindowFormat format;
  format.context = options.context;
  format.layout = [rules](const FoundFile&, const MappedFile& file) {
    TokenLayout layout = token_layout(file, rules);
    check_tokens(file, layout, rules.vocab);
    return layout;
  };
  return open_windows(options, part, format);
}

}  // namespace lockstep
