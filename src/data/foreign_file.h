// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "data/mapped_file.h"

namespace lockstep {

// Local. What a file is that holds neither plain text nor raw numbers, by its first bytes or its extension:
// "gzip-compressed", "a zip archive (.npz, .pt)", …; empty for any other.
std::string_view foreign_kind(const MappedFile& file);

// Local. Whether the first bytes are text (printable ASCII or UTF-8, at least 16 of them).
bool looks_like_text(const MappedFile& file);
// Local. Whether there is a zero byte among the first, which no text has.
bool looks_binary(const MappedFile& file);

}  // namespace lockstep
