// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "exchange/formats/outgoing.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// Wide elements first, as the reference writes them: then every tensor is aligned to its element. `tensors`
// are pointers to anything with a dtype.
template <class Pointers>
void sort_by_alignment(Pointers& tensors) {
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const auto* a, const auto* b) { return size_of(a->dtype) > size_of(b->dtype); });
}

// Local. Writes one safetensors file, tensors in their order, with `metadata` (texts) in its header. Returns
// the length. Throws Fault (74), and what a tensor's fill() throws.
std::uint64_t write_safetensors(WritableFile& file, std::span<const OutgoingTensor> tensors,
                                const std::map<std::string, std::string>& metadata);

// One file of a sharded set.
struct SafetensorsShard {
  std::string name;  // model-00001-of-00003.safetensors
  std::vector<OutgoingTensor> tensors;
};

// Local. Tensors in their order, a new shard where the next would make one larger than `max_bytes` (a tensor
// that is larger by itself has one alone).
std::vector<SafetensorsShard> split_into_shards(std::span<const OutgoingTensor> tensors,
                                                std::uint64_t max_bytes);

inline constexpr const char* kSafetensorsIndex = "model.safetensors.index.json";

// The text of the index that lists the tensors of all shards.
std::string safetensors_index(std::span<const SafetensorsShard> shards);

}  // namespace lockstep
