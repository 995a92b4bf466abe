// SPDX-License-Identifier: Apache-2.0
#include "data/formats/inputs.h"

#include "data/data_files.h"
#include "data/hdf5_files.h"

namespace lockstep::testing {
namespace {

DataOptions of(const std::string& type) {
  DataOptions options;
  options.type = type;
  options.holdout_every = 3;  // of training, not of what is asked about
  return options;
}

TEST(Inputs, OfIdxAreTheImagesThatTrainingSees) {
  TempDir dir;
  write_file(dir / "images", idx3(6, 2, 3));
  write_file(dir / "labels", idx1(6));
  DataOptions whole = of("idx");
  whole.holdout_every = 0;
  whole.train = {{}, dir / "images", dir / "labels"};
  whole.mean = {0.5};
  whole.std = {0.25};
  const auto inputs = open_inputs(whole, dir / "images");
  EXPECT_EQ(inputs->size(), 6);
  EXPECT_EQ(inputs->spec().target_bytes(), 0u);
  EXPECT_EQ(read_sample(*inputs, 4).input, read_sample(*open_data(whole), 4).input);
}

TEST(Inputs, OfCifarLeaveTheLabelsAside) {
  TempDir dir;
  write_file(dir / "batch.bin", cifar(4));
  const auto inputs = open_inputs(of("cifar10"), dir / "batch.bin");
  EXPECT_EQ(inputs->size(), 4);
  EXPECT_EQ(inputs->spec().target_bytes(), 0u);
  DataOptions whole = of("cifar10");
  whole.holdout_every = 0;
  whole.train.paths = {dir / "batch.bin"};
  EXPECT_EQ(read_sample(*inputs, 3).input, read_sample(*open_data(whole), 3).input);
}

TEST(Inputs, OfHdf5AreTheDatasetThatTrainingNames) {
  TempDir dir;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  {
    Hdf5Writer file(dir / "x.h5");
    file.add("/images", {3, 2}, H5T_NATIVE_FLOAT, values.data());
  }
  DataOptions options = of("hdf5");
  options.train = {{dir / "elsewhere.h5"}, "/images", "/labels"};
  const auto inputs = open_inputs(options, dir / "x.h5");
  EXPECT_EQ(inputs->size(), 3);
  EXPECT_EQ(as<float>(read_sample(*inputs, 2).input), (std::vector<float>{5, 6}));
  EXPECT_EQ(inputs->spec().target_bytes(), 0u);
}

TEST(Inputs, AreRefusedWithThePlaceOfTheDamage) {
  TempDir dir;
  write_file(dir / "cut", idx3(6, 2, 3).substr(0, 40));
  write_file(dir / "cut.bin", cifar(2).substr(0, 4000));
  expect_fault(ExitCode::kInputMissing, dir / "cut", [&] { open_inputs(of("idx"), dir / "cut"); });
  expect_fault(ExitCode::kInputMissing, dir / "none", [&] { open_inputs(of("idx"), dir / "none"); });
  expect_fault(ExitCode::kInputMissing, dir / "cut.bin",
               [&] { open_inputs(of("cifar10"), dir / "cut.bin"); });
  expect_fault(ExitCode::kConfig, "synthetic", [&] { open_inputs(of("synthetic"), dir / "cut"); });
}

}  // namespace
}  // namespace lockstep::testing
