// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "exchange/formats/foreign_file.h"

namespace lockstep {

// What torch.save wrote: the zip layout, or the one from before PyTorch 1.6 (five pickles, then the
// storages).
// Throws Fault (65) as ForeignFile says; the tar layout from before 0.1.10 is refused by name.
std::unique_ptr<ForeignFile> open_torch_file(std::shared_ptr<const ReadableFile> file,
                                             const std::string& origin);

// Do the first bytes (16 at least, where the file has them) say that torch.save wrote it?
bool is_torch_file(std::span<const std::byte> beginning);

}  // namespace lockstep
