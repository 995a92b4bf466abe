// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/reader.h"
#include "exchange/formats/outgoing.h"

namespace lockstep {

// Second names of tensors: name to the name it is stored under.
using TiedNames = std::map<std::string, std::string>;

// Those of `second_names` that say something of this checkpoint: it has the first, and not the second.
TiedNames tied_names(const Manifest& manifest, const TiedNames& second_names);

// The model's tensors as Python lists them: parameters in their order first, where that is known.
std::vector<const ManifestTensor*> model_in_order(const Manifest& manifest);

// Hands out the bytes of a checkpoint's tensors, checked, in the order given; reads ahead by the hundred
// megabytes, since a look at the manifest a tensor would be quadratic. Local; outlived by `from`.
class CheckpointBytes {
 public:
  CheckpointBytes(const CheckpointReader& from, std::vector<const ManifestTensor*> order);

  // Fills `bytes` with tensor `index` of the order.
  void fill(std::size_t index, std::span<std::byte> bytes);

 private:
  void load(std::size_t first);

  const CheckpointReader& from_;
  std::vector<const ManifestTensor*> order_;
  std::size_t first_ = 0;
  std::vector<std::vector<std::byte>> memory_;
  std::vector<std::size_t> slots_;  // in memory_, of each tensor from first_ on
};

// Local. Makes `path` by `write`, which is given a path beside it to use, makes and syncs a file or folder
// there, and returns where that is: it is renamed to `path`, and whatever else was made is removed, also when
// `write` throws. Throws Fault: 64 when `path` is there already, 74.
void write_beside(Disk& disk, const std::string& path,
                  const std::function<std::string(const std::string& part)>& write);

}  // namespace lockstep
