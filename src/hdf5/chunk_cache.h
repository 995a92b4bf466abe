// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace lockstep {

// The chunks that were unpacked last, of all datasets that are read together. Safe from several threads: the
// lock is held to look, not while a chunk is unpacked.
class Hdf5ChunkCache {
 public:
  using Bytes = std::shared_ptr<const std::byte[]>;
  struct Key {
    std::uint64_t table = 0;  // as add_table() gave it
    std::uint64_t number = 0;
    std::uint64_t bytes = 0;  // unpacked
  };

  // Keeps chunks of as many bytes together, and one at least.
  explicit Hdf5ChunkCache(std::uint64_t bytes) : limit_(bytes) {}

  std::uint64_t add_table() { return tables_.fetch_add(1); }
  // Local. Calls `unpack` unless the chunk is kept. Who wants one that another thread is unpacking waits for
  // it, and gets what that throws.
  Bytes get(const Key& key, const std::function<Bytes()>& unpack);

 private:
  using KeptPlace = std::pair<std::uint64_t, std::uint64_t>;  // table and number
  struct KeptChunk {
    std::shared_future<Bytes> chunk;
    std::uint64_t bytes = 0;
    std::list<KeptPlace>::iterator place;
  };
  std::shared_future<Bytes> begin(const Key& key, std::optional<std::promise<Bytes>>& promise);
  void forget(const KeptPlace& place);

  std::uint64_t limit_;
  std::atomic<std::uint64_t> tables_ = 0;
  std::mutex mutex_;
  std::uint64_t kept_bytes_ = 0;
  std::list<KeptPlace> order_;  // asked for last first
  std::map<KeptPlace, KeptChunk> kept_;
};

}  // namespace lockstep
