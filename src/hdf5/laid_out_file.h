// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hdf5/draft.h"
#include "hdf5/layout.h"

namespace lockstep {

// A plan laid out, with the file in memory that it was made by.
class LaidOutFile {
 public:
  explicit LaidOutFile(const Hdf5Plan& plan);

  const Hdf5Layout& layout() const { return layout_; }
  Hdf5Layout take_layout() { return std::move(layout_); }

  // Whether `plan` differs from this one in the values of attributes alone, texts being as long as before.
  bool fits(const Hdf5Plan& plan) const;
  // For one that fits: takes its values over.
  void rewrite(const Hdf5Plan& plan);

 private:
  void read_metadata();

  Hdf5Plan plan_;
  Hdf5Draft draft_;
  Hdf5Layout layout_;
};

}  // namespace lockstep
