// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "lockstep/data/options.h"

namespace lockstep {

// The labels that a model can be trained on, where the config tells; looked at when files are opened.
class ClassLabels {
 public:
  // data.ignore_label and the number of classes that options hold.
  explicit ClassLabels(const DataOptions& options) : options_(options) {}

  // False where the number of classes is not known.
  bool are_known() const { return options_.label_classes > 0; }
  // Throws Fault (78) that names file and sample for a label that is neither a class nor ignored.
  void check(std::int64_t label, const std::string& path, std::int64_t sample) const;

 private:
  const DataOptions& options_;
};

}  // namespace lockstep
