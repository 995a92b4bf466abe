// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "exchange/formats/value.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// Where the bytes of a storage lie in the file.
struct StoragePlace {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;  // 0: none is kept
};

// What a file of torch.save holds: the saved value, and the storages its tensors are views of, by key.
struct TorchContent {
  std::string format;
  ValuePool pool;
  const PyValue* root = nullptr;
  std::map<std::string, StoragePlace> storages;
};

// Local. The zip layout: <folder>/data.pkl, <folder>/data/<key>, under a folder of any name. Throws Fault
// (65).
TorchContent read_zip_content(const ReadableFile& file, const std::string& origin);

// Local. The layout from before PyTorch 1.6, whose magic number ends at `start`: three more pickles
// (protocol, system, value), the list of keys, then for each key a count of elements and the bytes. Throws
// Fault (65).
TorchContent read_legacy_content(const ReadableFile& file, std::uint64_t start, const std::string& origin);

}  // namespace lockstep
