// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "checkpoint/interchange_files.h"

namespace lockstep {

// Entry points for mutation tests and fuzzers: each opens what may be anything and reads all of it. They
// return the tensors, or nothing for what is refused; whatever else escapes is a bug.

template <class Open>
std::optional<std::map<std::string, Bytes>> fuzz(Open open) {
  try {
    return contents_of(*open());
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kNoValidCheckpoint) << fault.what();
    return std::nullopt;
  }
}

inline auto fuzz_pth(std::span<const std::byte> bytes) {
  return fuzz([&] { return open_pth(bytes); });
}

inline auto fuzz_safetensors(std::span<const std::byte> bytes) {
  return fuzz([&] { return open_safetensors(std::make_shared<MemoryFile>(bytes), "fuzz.safetensors"); });
}

// The shards an index names hold the bytes of `shard`.
inline auto fuzz_safetensors_index(std::span<const std::byte> index, std::span<const std::byte> shard) {
  return fuzz([&] {
    return open_sharded_safetensors(MemoryFile(index), "fuzz.json",
                                    [&](const std::string&) { return std::make_shared<MemoryFile>(shard); });
  });
}

}  // namespace lockstep
