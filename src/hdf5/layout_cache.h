// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "hdf5/layout.h"

namespace lockstep {

// Files that were laid out before, kept because the next save is likely to differ in the values of its
// attributes alone: then HDF5 writes those anew in place, which does not depend on how many datasets there
// are. Safe from several threads.
class LayoutCache {
 public:
  LayoutCache();
  ~LayoutCache();

  // Local. Calls `use` with what lay_out(plan) returns, byte for byte. Throws Fault (74), and what `use`
  // throws.
  void with_layout(const Hdf5Plan& plan, const std::function<void(const Hdf5Layout&)>& use);
  // How many layouts were made from scratch.
  std::size_t misses() const;

 private:
  struct Idle;
  std::unique_ptr<Idle> idle_;
};

}  // namespace lockstep
