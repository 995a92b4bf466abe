// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "lockstep/base/disk.h"

namespace lockstep {

// The way of a file's bytes: through the page cache, or around it where the file system lets us.
enum class Caching { kPages, kNone };

// Local. What real_disk() makes; contracts and Faults are those of Disk.
std::unique_ptr<WritableFile> create_real_file(const std::string& path, Caching caching);
std::unique_ptr<ReadableFile> open_real_file(const std::string& path, Caching caching);

}  // namespace lockstep
