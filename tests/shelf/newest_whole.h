// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "checkpoint/manifest.h"
#include "checkpoint/reader.h"
#include "lockstep/base/error.h"

namespace lockstep {

// The newest checkpoint of which every byte is what was written, found as resume() finds it: read into
// memory, refused and left for the one before where a digest differs.
template <class Store>
std::unique_ptr<CheckpointReader> newest_whole(Store&& store) {
  while (auto candidate = store.open_newest()) {
    std::deque<std::vector<std::byte>> memory;
    std::vector<MutableStateTensor> places;
    for (const ManifestTensor& tensor : candidate->manifest().tensors)
      if (!tensor.key.in_extra()) places.push_back({tensor, memory.emplace_back(byte_count(tensor))});
    try {
      candidate->read(places, /*all=*/true);
      store.accept(*candidate);
      return candidate;
    } catch (const Fault& fault) {
      if (fault.code() != ExitCode::kNoValidCheckpoint && fault.code() != ExitCode::kStorage) throw;
      store.refuse(*candidate, fault);
    }
  }
  return nullptr;
}

}  // namespace lockstep
