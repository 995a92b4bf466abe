// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>

#include "data/data_files.h"

namespace lockstep {
namespace {

using testing::as;
using testing::big_endian;
using testing::cifar;
using testing::counting;
using testing::expect_fault;
using testing::idx1;
using testing::idx3;
using testing::open_data;
using testing::read_sample;
using testing::TempDir;
using testing::write_file;

DataOptions idx(const TempDir& dir) {
  DataOptions options;
  options.type = "idx";
  options.train.inputs = dir / "images";
  options.train.labels = dir / "labels";
  return options;
}

TEST(Idx, ImagesBecomeFractionsAndLabelsClasses) {
  const TempDir dir;
  write_file(dir / "images", idx3(12, 2, 3));
  write_file(dir / "labels", idx1(12));
  const auto dataset = open_data(idx(dir));
  ASSERT_EQ(dataset->size(), 12);
  EXPECT_EQ(dataset->spec().input_shape, (Shape{1, 2, 3}));
  EXPECT_TRUE(dataset->spec().target_shape.empty());
  const auto sample = read_sample(*dataset, 11);
  const std::vector<float> pixels = as<float>(sample.input);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(pixels[i], static_cast<float>(66 + i) / 255.0f);
  EXPECT_EQ(as<std::int64_t>(sample.target), std::vector<std::int64_t>{1});
}

TEST(Idx, RefusesDamagedFiles) {
  const TempDir dir;
  const std::string images = idx3(4, 2, 3);
  const std::string labels = idx1(4);
  const std::string huge = big_endian(0xffffffff);
  const struct {
    std::string images;
    std::string labels;
    const char* text;
  } cases[] = {
      {images.substr(0, 39), labels, "images: the header promises 24 bytes, 23 follow"},
      {images + "x", labels, "images: the header promises 24 bytes, 25 follow"},
      {images.substr(0, 15), labels, "has 15 bytes, expected an idx3 header of 16"},
      {"", labels, "has 0 bytes"},
      {labels, labels, "has 12 bytes, expected an idx3 header"},
      {idx1(20), labels, "starts with 00000801, expected 00000803"},
      {"\x1f\x8b" + images, labels, "starts with 1f8b"},
      {big_endian(0x803) + huge + huge + huge + counting(24), labels, "promises more than"},
      {big_endian(0x803) + big_endian(1 << 20) + big_endian(1 << 20) + big_endian(1) + counting(24), labels,
       "promises 1099511627776 bytes, 24 follow"},
      {big_endian(0x803) + huge + big_endian(0) + big_endian(3), labels, "promises 0 bytes"},
      {images, idx1(3), "labels: has 3 labels, expected one for each of 4 images"},
      {images, labels.substr(0, 11), "labels: the header promises 4 bytes, 3 follow"},
      {images, images, "labels: starts with 00000803, expected 00000801"},
  };
  for (const auto& item : cases) {
    write_file(dir / "images", item.images);
    write_file(dir / "labels", item.labels);
    expect_fault(ExitCode::kInputMissing, item.text, [&] { open_data(idx(dir)); });
  }
}

TEST(Idx, NeedsBothFilesNamed) {
  const TempDir dir;
  DataOptions options = idx(dir);
  options.train.labels.clear();
  expect_fault(ExitCode::kConfig, "needs inputs and labels", [&] { open_data(options); });
  expect_fault(ExitCode::kInputMissing, "cannot be opened (No such file", [&] { open_data(idx(dir)); });
}

TEST(Idx, ChangedFileIsRefusedWhileOpen) {
  const TempDir dir;
  write_file(dir / "images", idx3(4, 2, 3));
  write_file(dir / "labels", idx1(4));
  const auto dataset = open_data(idx(dir));
  dataset->check_unchanged();
  write_file(dir / "labels", idx1(5));
  expect_fault(ExitCode::kInputMissing, "labels: changed since the run began",
               [&] { dataset->check_unchanged(); });
}

TEST(Idx, FingerprintFollowsContentAndNotThePath) {
  const TempDir one;
  const TempDir two;
  for (const TempDir* dir : {&one, &two}) {
    write_file(*dir / "images", idx3(4, 2, 3));
    write_file(*dir / "labels", idx1(4));
  }
  const Digest digest = open_data(idx(one))->fingerprint();
  EXPECT_EQ(open_data(idx(two))->fingerprint(), digest);
  DataOptions scaled = idx(two);
  scaled.mean = {0.1};
  scaled.std = {0.3};
  EXPECT_NE(open_data(scaled)->fingerprint(), digest);
  write_file(two / "images", idx3(4, 3, 2));
  EXPECT_NE(open_data(idx(two))->fingerprint(), digest);
  std::string labels = idx1(4);
  labels.back() ^= 1;
  write_file(one / "labels", labels);
  EXPECT_NE(open_data(idx(one))->fingerprint(), digest);
}

DataOptions cifar10(const std::vector<std::string>& paths) {
  DataOptions options;
  options.type = "cifar10";
  options.train.paths = paths;
  return options;
}

TEST(Cifar10, FolderMeansItsTrainingAndTestFiles) {
  const TempDir dir;
  write_file(dir / "data_batch_2.bin", cifar(2, 3));
  write_file(dir / "data_batch_1.bin", cifar(3));
  write_file(dir / "test_batch.bin", cifar(1, 9));
  write_file(dir / "readme.html", "text");
  const auto train = open_data(cifar10({dir.path()}));
  const auto valid = open_data(cifar10({dir.path()}), DataPart::kValid);
  ASSERT_EQ(train->size(), 5);
  ASSERT_EQ(valid->size(), 1);
  for (std::int64_t i = 0; i < 5; ++i) EXPECT_EQ(as<std::int64_t>(read_sample(*train, i).target)[0], i);
  EXPECT_EQ(as<std::int64_t>(read_sample(*valid, 0).target)[0], 9);
  EXPECT_EQ(as<float>(read_sample(*train, 4).input)[0], 4 / 255.0f);
  EXPECT_EQ(train->spec().input_shape, (Shape{3, 32, 32}));
}

TEST(Cifar10, ListOfFilesAndHeldOutSamples) {
  const TempDir dir;
  write_file(dir / "a", cifar(2));
  write_file(dir / "b", cifar(4, 2));
  DataOptions options = cifar10({dir / "b", dir / "a"});
  EXPECT_EQ(open_data(options, DataPart::kValid), nullptr);
  options.holdout_every = 3;
  const auto train = open_data(options);
  const auto valid = open_data(options, DataPart::kValid);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < train->size(); ++i)
    labels.push_back(as<std::int64_t>(read_sample(*train, i).target)[0]);
  EXPECT_EQ(labels, (std::vector<std::int64_t>{2, 3, 5, 0}));
  labels.clear();
  for (std::int64_t i = 0; i < valid->size(); ++i)
    labels.push_back(as<std::int64_t>(read_sample(*valid, i).target)[0]);
  EXPECT_EQ(labels, (std::vector<std::int64_t>{4, 1}));
}

TEST(Cifar10, HeldOutSamplesOfAFolderComeFromTheTrainingFiles) {
  const TempDir dir;
  write_file(dir / "data_batch_1.bin", cifar(4));
  write_file(dir / "test_batch.bin", cifar(1, 9));
  DataOptions options = cifar10({dir.path()});
  options.holdout_every = 2;
  EXPECT_EQ(open_data(options, DataPart::kValid)->size(), 2);
  EXPECT_EQ(as<std::int64_t>(read_sample(*open_data(options, DataPart::kValid), 0).target)[0], 1);
}

TEST(Cifar10, NormalizesPerChannel) {
  const TempDir dir;
  write_file(dir / "a", cifar(1));
  DataOptions options = cifar10({dir / "a"});
  options.mean = {0.1, 0.2, 0.3};
  options.std = {1.0, 2.0, 4.0};
  const std::vector<float> pixels = as<float>(read_sample(*open_data(options), 0).input);
  const std::string bytes = counting(3072);
  for (const std::size_t i : {0u, 1023u, 1024u, 2047u, 2048u, 3071u}) {
    const float value = static_cast<float>(static_cast<unsigned char>(bytes[i])) / 255.0f;
    const auto channel = i / 1024;
    EXPECT_EQ(pixels[i],
              (value - static_cast<float>(options.mean[channel])) / static_cast<float>(options.std[channel]));
  }
}

TEST(Cifar10, RefusesNormalizationThatDoesNotFit) {
  const TempDir dir;
  write_file(dir / "a", cifar(1));
  DataOptions options = cifar10({dir / "a"});
  options.mean = {0.1, 0.2};
  options.std = {1.0, 2.0};
  expect_fault(ExitCode::kConfig, "2 numbers for 3 channels", [&] { open_data(options); });
  options.std = {1.0};
  expect_fault(ExitCode::kConfig, "2 means and 1 stds", [&] { open_data(options); });
  options.mean = {0.1};
  options.std = {0.0};
  expect_fault(ExitCode::kConfig, "std 0", [&] { open_data(options); });
}

TEST(Cifar10, RefusesDamagedFiles) {
  const TempDir dir;
  const struct {
    std::string bytes;
    const char* text;
  } cases[] = {
      {cifar(2).substr(1), "has 6145 bytes, expected a multiple of 3073"},
      {cifar(2) + "x", "has 6147 bytes"},
      {"", "has 0 bytes"},
      {cifar(3).replace(2 * 3073, 1, "\x0a"), "record 2 has label 10, expected 0 to 9"},
  };
  for (const auto& item : cases) {
    write_file(dir / "a", item.bytes);
    expect_fault(ExitCode::kInputMissing, item.text, [&] { open_data(cifar10({dir / "a"})); });
  }
  expect_fault(ExitCode::kInputMissing, "holds no data_batch_*.bin",
               [&] { open_data(cifar10({dir.path()})); });
}

}  // namespace
}  // namespace lockstep
