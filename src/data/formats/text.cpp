// SPDX-License-Identifier: Apache-2.0
#include "data/formats/builtin.h"
#include "data/formats/window_dataset.h"

namespace lockstep {

std::unique_ptr<Dataset> open_text(const DataOptions& options, DataPart part) {
  WindowFormat format;
  format.value_bytes = 1;
  format.context = options.context;
  format.header_bytes = [vocab = options.vocab](const MappedFile& file) -> std::size_t {
    // Only a vocabulary smaller than a byte can be left; then a byte outside it would index past the
    // embedding.
    if (vocab < 256) check_values(file, 0, 1, vocab);
    return 0;
  };
  return open_windows(options, part, format);
}

}  // namespace lockstep
