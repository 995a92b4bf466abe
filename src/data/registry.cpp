// SPDX-License-Identifier: Apache-2.0
#include "lockstep/data/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "data/refuse.h"
#include "lockstep/base/error.h"

namespace lockstep {

void DatasetRegistry::add(const std::string& type, DatasetFactory factory) {
  check(std::ranges::none_of(factories_, [&](const auto& entry) { return entry.first == type; }),
        "a dataset type is registered once: " + type);
  factories_.emplace_back(type, std::move(factory));
}

std::unique_ptr<Dataset> DatasetRegistry::open(const DataOptions& options, DataPart part) const {
  // A handful of entries, in the order they were added: a map would lose that.
  for (const auto& [type, factory] : factories_)
    if (type == options.type) return factory(options, part);
  refuse_option(fmt::format("data.type {} is unknown", options.type),
                fmt::format("There are: {}.", fmt::join(types(), ", ")));
}

std::vector<std::string> DatasetRegistry::types() const {
  std::vector<std::string> names;
  for (const auto& entry : factories_) names.push_back(entry.first);
  return names;
}

}  // namespace lockstep
