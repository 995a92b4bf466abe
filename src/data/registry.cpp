// SPDX-License-Identifier: Apache-2.0
#include "lockstep/data/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "base/foreign_exception.h"
#include "data/augmented.h"
#include "data/refuse.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

std::unique_ptr<Dataset> open_with(const DatasetFactory& factory, const DataOptions& options, DataPart part) {
  const auto open = [&] { return factory(options, part); };
  auto dataset = with_foreign_faults(open, [&](const ForeignException& thrown) {
    if (thrown.kind == ForeignException::Kind::kOutOfMemory)
      return out_of_memory(thrown, "opening the data", "Give the job more memory, or use less data");
    return Fault(ExitCode::kConfig, fmt::format("opening data of type {}: {}", options.type, thrown.text),
                 "Look at the section data of the config, data.params above all");
  });
  if (dataset == nullptr && part == DataPart::kTrain)
    refuse_option(fmt::format("data of type {} has no training part", options.type),
                  "Its factory must return a dataset for it.");
  if (part == DataPart::kTrain && options.augment.any())
    return augmented(std::move(dataset), options.augment);
  return dataset;
}

}  // namespace

void DatasetRegistry::add(const std::string& type, DatasetFactory factory) {
  factories_.add(type, std::move(factory));
}

std::unique_ptr<Dataset> DatasetRegistry::open(const DataOptions& options, DataPart part) const {
  if (const DatasetFactory* factory = factories_.find(options.type))
    return open_with(*factory, options, part);
  refuse_option(fmt::format("data.type {} is unknown", options.type),
                fmt::format("There are: {}.", fmt::join(types(), ", ")));
}

}  // namespace lockstep
