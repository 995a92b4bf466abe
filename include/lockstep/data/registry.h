// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lockstep/base/named_parts.h"
#include "lockstep/data/dataset.h"
#include "lockstep/data/options.h"

namespace lockstep {

enum class DataPart { kTrain, kValid };

// Opens one part; returns null when the config names no validation data. Throws Fault 66 (missing, damaged)
// or 78 (options).
using DatasetFactory = std::function<std::unique_ptr<Dataset>(const DataOptions&, DataPart)>;

// Names of types to factories: the built-in ones, and a user's own.
class DatasetRegistry {
 public:
  // With text, tokens, idx, cifar10, hdf5, npz and synthetic.
  static DatasetRegistry with_builtin();

  // Throws Bug when the name is taken.
  void add(const std::string& type, DatasetFactory factory);
  // Throws Fault (78) for an unknown type and names those there are.
  std::unique_ptr<Dataset> open(const DataOptions& options, DataPart part) const;
  std::vector<std::string> types() const { return factories_.names(); }

 private:
  NamedParts<DatasetFactory> factories_;
};

}  // namespace lockstep
