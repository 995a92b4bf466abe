// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "exchange/formats/foreign_file.h"

namespace lockstep {

// Do the first bytes (9 at least, where the file has them) look like safetensors: a length, then '{'? A
// length may begin with the byte '{' too, and JSON have it in that place; then it must fit the file.
bool is_safetensors(std::span<const std::byte> beginning, std::uint64_t file_bytes);

// A single file. Refused with Fault (65): a header above 64 MiB or beyond the file, more than 100 000
// tensors, names twice, tensors that overlap or leave a gap, sizes that are not those of shape and type.
std::unique_ptr<ForeignFile> open_safetensors(std::shared_ptr<const ReadableFile> file,
                                              const std::string& origin);

// Opens a file that lies beside the index, by its name.
using OpenBeside = std::function<std::shared_ptr<const ReadableFile>(const std::string& name)>;

// A sharded one by its index JSON: {"metadata": …, "weight_map": {tensor: file name}}. A file name may have
// no slash and no leading dot; index and shards must list the same tensors. Throws Fault (65), and what
// `open_beside` throws.
std::unique_ptr<ForeignFile> open_sharded_safetensors(const ReadableFile& index, const std::string& origin,
                                                      const OpenBeside& open_beside);

}  // namespace lockstep
