// SPDX-License-Identifier: Apache-2.0
#include "lockstep/data/registry.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

#include "data/data_files.h"

namespace lockstep {
namespace {

using testing::expect_fault;

TEST(DatasetRegistry, WhatAFactoryThrowsIsTheConfigsAndNamesTheType) {
  DatasetRegistry registry;
  registry.add("mine", [](const DataOptions& options, DataPart) -> std::unique_ptr<Dataset> {
    if (options.samples == 1) throw std::bad_alloc();
    if (options.samples == 2) throw Fault(ExitCode::kInputMissing, "no disk", "Mount it");
    if (options.samples == 3) return nullptr;
    throw std::out_of_range("map::at");
  });
  DataOptions options;
  options.type = "mine";
  const auto open = [&] { registry.open(options, DataPart::kTrain); };
  expect_fault(ExitCode::kConfig, "opening data of type mine: std::out_of_range: map::at", open);
  options.samples = 1;
  expect_fault(ExitCode::kCannotStart, "out of memory", open);
  options.samples = 2;
  expect_fault(ExitCode::kInputMissing, "no disk", open);
  options.samples = 3;
  expect_fault(ExitCode::kConfig, "data of type mine has no training part", open);
  EXPECT_EQ(registry.open(options, DataPart::kValid), nullptr);
}

}  // namespace
}  // namespace lockstep
