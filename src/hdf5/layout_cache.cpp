// SPDX-License-Identifier: Apache-2.0
#include "hdf5/layout_cache.h"

#include <algorithm>
#include <list>
#include <mutex>

#include "hdf5/laid_out_file.h"

namespace lockstep {

namespace {

// Saves with and without an evaluation have other attributes, and take turns.
constexpr std::size_t kKept = 2;

}  // namespace

struct LayoutCache::Idle {
  std::mutex mutex;
  std::list<std::unique_ptr<LaidOutFile>> files;  // the last used first
  std::size_t misses = 0;

  // Taken out while it is used, so that threads never share one.
  std::unique_ptr<LaidOutFile> take(const Hdf5Plan& plan) {
    const std::lock_guard lock(mutex);
    const auto found =
        std::find_if(files.begin(), files.end(), [&](const auto& file) { return file->fits(plan); });
    if (found == files.end()) {
      ++misses;
      return nullptr;
    }
    auto taken = std::move(*found);
    files.erase(found);
    return taken;
  }

  void give_back(std::unique_ptr<LaidOutFile> file) {
    const std::lock_guard lock(mutex);
    files.push_front(std::move(file));
    if (files.size() > kKept) files.pop_back();
  }
};

LayoutCache::LayoutCache() : idle_(std::make_unique<Idle>()) {}

LayoutCache::~LayoutCache() = default;

void LayoutCache::with_layout(const Hdf5Plan& plan, const std::function<void(const Hdf5Layout&)>& use) {
  auto file = idle_->take(plan);
  if (file)
    file->rewrite(plan);
  else
    file = std::make_unique<LaidOutFile>(plan);
  use(file->layout());
  // Not after an exception: whatever it was, the next save starts from scratch.
  idle_->give_back(std::move(file));
}

std::size_t LayoutCache::misses() const {
  const std::lock_guard lock(idle_->mutex);
  return idle_->misses;
}

}  // namespace lockstep
