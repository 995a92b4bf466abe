// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "support/memory_file.h"

namespace lockstep {

// What a file was found to hold: its tensors by name, or its text alone.
using Contents = std::map<std::string, Bytes>;

// Entry points for mutation tests, for the replay of the corpus and for the fuzzers: each takes bytes that
// may be anything, and reads all of what they hold. They return nothing for what is refused with the exit
// code that is right for it; whatever escapes is a bug, another Fault (as a Bug) as much as a crash.

// A file of torch.save's, of either layout.
std::optional<Contents> fuzz_pth(std::span<const std::byte> bytes);
// The data.pkl of a zip file that is sound but for it, beside four storages of 64 bytes, "0" to "3":
// checksums keep most changes of a whole file from the pickle reader.
std::optional<Contents> fuzz_pickle(std::span<const std::byte> bytes);
std::optional<Contents> fuzz_safetensors(std::span<const std::byte> bytes);
// Up to the first zero byte an index; behind it the content of every shard that it names.
std::optional<Contents> fuzz_safetensors_index(std::span<const std::byte> bytes);
std::optional<Contents> fuzz_safetensors_index(std::span<const std::byte> index,
                                               std::span<const std::byte> shard);
// A weights file. Checksums of its metadata are compared, unless guard.skip_checksum is armed.
std::optional<Contents> fuzz_hdf5(std::span<const std::byte> bytes);
// The text of a manifest without the digest it must end with. Whatever parses reads back equal.
std::optional<Contents> fuzz_manifest(std::span<const std::byte> bytes);
// A config file.
std::optional<Contents> fuzz_config(std::span<const std::byte> bytes);
// Training data: images of idx, records of CIFAR-10, arrays of NumPy, a dataset of HDF5, tokens of every
// layout.
std::optional<Contents> fuzz_idx(std::span<const std::byte> bytes);
std::optional<Contents> fuzz_cifar10(std::span<const std::byte> bytes);
std::optional<Contents> fuzz_npz(std::span<const std::byte> bytes);
std::optional<Contents> fuzz_hdf5_data(std::span<const std::byte> bytes);
std::optional<Contents> fuzz_tokens(std::span<const std::byte> bytes);

using FuzzEntry = std::optional<Contents> (*)(std::span<const std::byte>);
// All of them, by the name that their corpus and their fuzzer have.
const std::map<std::string, FuzzEntry>& fuzz_entries();

// What a fuzzer takes out, because no mutation would pass it.
inline constexpr const char* kFuzzGuards = "skip@point=guard.skip_checksum";

}  // namespace lockstep
