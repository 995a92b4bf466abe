// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>

#include "data/data_files.h"

namespace lockstep {
namespace {

using testing::as;
using testing::expect_fault;
using testing::open_data;
using testing::read_sample;
using testing::TempDir;
using testing::write_file;

DataOptions sequence(const std::string& type, const std::string& path, std::int64_t context) {
  DataOptions options;
  options.type = type;
  options.train.paths = {path};
  options.context = context;
  return options;
}

std::string window(const Dataset& dataset, std::int64_t index) {
  const testing::SampleBytes sample = read_sample(dataset, index);
  std::string text;
  for (const std::int64_t value : as<std::int64_t>(sample.input)) text += static_cast<char>(value);
  text += '|';
  for (const std::int64_t value : as<std::int64_t>(sample.target)) text += static_cast<char>(value);
  return text;
}

TEST(Text, SamplesAreWindowsWithTheNextByteAsTarget) {
  const TempDir dir;
  write_file(dir / "a", "abcdefghi");
  const auto dataset = open_data(sequence("text", dir / "a", 4));
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_EQ(window(*dataset, 0), "abcd|bcde");
  EXPECT_EQ(window(*dataset, 1), "efgh|fghi");
  EXPECT_EQ(dataset->spec().input_shape, Shape{4});
  EXPECT_EQ(dataset->spec().target_dtype, DType::kInt64);
}

TEST(Text, BytesAbove127StayPositive) {
  const TempDir dir;
  write_file(dir / "a", "\xff\xfe\x80");
  const auto dataset = open_data(sequence("text", dir / "a", 2));
  EXPECT_EQ(as<std::int64_t>(read_sample(*dataset, 0).input), (std::vector<std::int64_t>{255, 254}));
}

TEST(Text, FolderIsJoinedInOrderAndWindowsSpanFileBorders) {
  const TempDir dir;
  std::filesystem::create_directories(dir / "t/sub");
  write_file(dir / "t/b", "fg");
  write_file(dir / "t/a", "abcde");
  write_file(dir / "t/sub/x", "hij");
  const auto dataset = open_data(sequence("text", dir / "t", 3));
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_EQ(window(*dataset, 0) + window(*dataset, 1) + window(*dataset, 2), "abc|bcddef|efgghi|hij");
}

TEST(Text, EveryNthFileIsHeldOut) {
  const TempDir dir;
  for (const char* name : {"a", "b", "c", "d", "e"}) write_file(dir / name, std::string(5, name[0]));
  DataOptions options = sequence("text", dir.path(), 4);
  EXPECT_EQ(open_data(options, DataPart::kValid), nullptr);
  options.holdout_every = 2;
  const auto train = open_data(options);
  const auto valid = open_data(options, DataPart::kValid);
  ASSERT_EQ(train->size(), 3);
  ASSERT_EQ(valid->size(), 2);
  EXPECT_EQ(window(*train, 0) + window(*train, 1) + window(*train, 2), "aaaa|aaaaaccc|ccccccee|ceee");
  EXPECT_EQ(window(*valid, 0) + window(*valid, 1), "bbbb|bbbbbddd|dddd");
  EXPECT_NE(train->fingerprint(), valid->fingerprint());
  options.holdout_every = 6;
  expect_fault(ExitCode::kConfig, "holds out none of 5 files", [&] { open_data(options, DataPart::kValid); });
}

TEST(Text, EveryNthSampleIsHeldOutOfASingleFile) {
  const TempDir dir;
  write_file(dir / "a", "abcdefgh");
  DataOptions options = sequence("text", dir / "a", 1);
  options.holdout_every = 3;
  EXPECT_EQ(open_data(options)->size(), 5);
  EXPECT_EQ(window(*open_data(options, DataPart::kValid), 0), "c|d");
}

TEST(Text, RefusesWhatGivesNoSample) {
  const TempDir dir;
  write_file(dir / "a", "abcd");
  expect_fault(ExitCode::kInputMissing, "4 values in 1 files, expected at least context + 1 = 5",
               [&] { open_data(sequence("text", dir / "a", 4)); });
  expect_fault(ExitCode::kConfig, "needs a model with a context",
               [&] { open_data(sequence("text", dir / "a", 0)); });
  expect_fault(ExitCode::kInputMissing, dir / "none: cannot be opened",
               [&] { open_data(sequence("text", dir / "none", 4)); });
  DataOptions small = sequence("text", dir / "a", 2);
  small.vocab = 99;
  expect_fault(ExitCode::kInputMissing, "a: value 99 at position 2 is not below the vocabulary of 99",
               [&] { open_data(small); });
  DataOptions scaled = sequence("text", dir / "a", 2);
  scaled.mean = {0.5};
  scaled.std = {0.5};
  expect_fault(ExitCode::kConfig, "data.normalize", [&] { open_data(scaled); });
}

TEST(Text, RefusesPackedAndBinaryFilesInAFolderAndTakesBytesThatAreNamed) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "t");
  write_file(dir / "t/a.txt", "abcdefgh");
  write_file(dir / "t/b.pyc", std::string("\x61\x0d\x0d\x0a\0\0\0\0", 8));
  expect_fault(ExitCode::kInputMissing, "b.pyc: holds zero bytes",
               [&] { open_data(sequence("text", dir / "t", 2)); });
  EXPECT_EQ(open_data(sequence("text", dir / "t/b.pyc", 2))->size(), 3);
  for (const char* name : {"c.gz", "c.zip", "c.parquet", "c.pt"}) {
    write_file(dir / name, "0123456789");
    expect_fault(ExitCode::kInputMissing, "not text", [&] { open_data(sequence("text", dir / name, 2)); });
  }
  write_file(dir / "packed.txt", "\x1f\x8b\x08 and more");
  expect_fault(ExitCode::kInputMissing, "gzip", [&] { open_data(sequence("text", dir / "packed.txt", 2)); });
}

TEST(Text, SaysWhatItTookAndWhereASampleLies) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "t");
  write_file(dir / "t/a", "abcde");
  write_file(dir / "t/b", "fgh");
  write_file(dir / "t/.DS_Store", "x");
  const auto dataset = open_data(sequence("text", dir / "t", 3));
  EXPECT_EQ(dataset->description(), "2 files; left out: 1 hidden (bytes): 8 values, 2 samples of 3");
  EXPECT_EQ(dataset->place_of(1), (dir / "t/a") + ", from value 3 on (sample 1)");
  const std::vector<DataFile> files = dataset->files();
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[1].name, "b");
  EXPECT_EQ(files[1].bytes, 3u);
}

}  // namespace
}  // namespace lockstep
