// SPDX-License-Identifier: Apache-2.0
#include "hdf5/chunk_cache.h"

namespace lockstep {

Hdf5ChunkCache::Bytes Hdf5ChunkCache::get(const Key& key, const std::function<Bytes()>& unpack) {
  std::optional<std::promise<Bytes>> promise;
  const std::shared_future<Bytes> kept = begin(key, promise);
  if (kept.valid()) return kept.get();
  try {
    Bytes bytes = unpack();
    promise->set_value(bytes);
    return bytes;
  } catch (...) {
    promise->set_exception(std::current_exception());
    const std::lock_guard lock(mutex_);
    forget({key.table, key.number});
    throw;
  }
}

// Not valid: the caller unpacks it.
std::shared_future<Hdf5ChunkCache::Bytes> Hdf5ChunkCache::begin(const Key& key,
                                                                std::optional<std::promise<Bytes>>& promise) {
  const std::lock_guard lock(mutex_);
  const KeptPlace place{key.table, key.number};
  const auto found = kept_.find(place);
  if (found != kept_.end()) {
    order_.splice(order_.begin(), order_, found->second.place);
    return found->second.chunk;
  }
  while (!order_.empty() && kept_bytes_ + key.bytes > limit_) forget(order_.back());
  order_.push_front(place);
  kept_[place] = {promise.emplace().get_future().share(), key.bytes, order_.begin()};
  kept_bytes_ += key.bytes;
  return {};
}

void Hdf5ChunkCache::forget(const KeptPlace& place) {
  const auto found = kept_.find(place);
  if (found == kept_.end()) return;
  kept_bytes_ -= found->second.bytes;
  order_.erase(found->second.place);
  kept_.erase(found);
}

}  // namespace lockstep
