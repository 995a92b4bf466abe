// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>

#include "data/data_files.h"

namespace lockstep {
namespace {

using testing::as;
using testing::expect_fault;
using testing::llmc_header;
using testing::open_data;
using testing::raw;
using testing::read_sample;
using testing::TempDir;
using testing::write_file;
using Tokens = std::vector<std::uint16_t>;

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

DataOptions tokens(const std::string& path, std::int64_t context = 2) {
  DataOptions options = sequence("tokens", path, context);
  options.vocab = 50257;
  return options;
}

TEST(TokenFile, RawAndLlmcLayoutsAreReadAlike) {
  const TempDir dir;
  const Tokens values = {1, 50256, 300, 4, 5};
  write_file(dir / "raw", raw(values));
  write_file(dir / "llmc", llmc_header(5) + raw(values));
  const auto plain = open_data(tokens(dir / "raw"));
  const auto with_header = open_data(tokens(dir / "llmc"));
  ASSERT_EQ(plain->size(), 2);
  EXPECT_EQ(as<std::int64_t>(read_sample(*plain, 0).input), (std::vector<std::int64_t>{1, 50256}));
  EXPECT_EQ(as<std::int64_t>(read_sample(*with_header, 1).target), (std::vector<std::int64_t>{4, 5}));
  EXPECT_EQ(plain->fingerprint(), with_header->fingerprint());
}

TEST(TokenFile, RefusesDamagedFiles) {
  const TempDir dir;
  const Tokens values = {1, 2, 3, 4, 5};
  const struct {
    std::string bytes;
    const char* text;
  } cases[] = {
      {raw(values) + "x", "has 11 bytes, expected whole uint16"},
      {llmc_header(5) + raw(values).substr(2), "promises 5 tokens, 8 bytes follow, expected 10"},
      {llmc_header(5) + raw(values) + "xx", "promises 5 tokens, 12 bytes follow"},
      {llmc_header(-5) + raw(values), "promises -5 tokens"},
      {llmc_header(0x7fffffff) + raw(values), "promises 2147483647 tokens"},
      {llmc_header(5, 2) + raw(values), "version 2, expected 1"},
      {llmc_header(5).substr(0, 100), "has 100 bytes, expected a header of 1024"},
      {"", "0 values in 1 files"},
  };
  for (const auto& item : cases) {
    write_file(dir / "t", item.bytes);
    expect_fault(ExitCode::kInputMissing, item.text, [&] { open_data(tokens(dir / "t")); });
  }
}

TEST(TokenFile, NamesTheFirstTokenOutsideTheVocabularyWhereverItLies) {
  const TempDir dir;
  for (const std::size_t at : {0u, 1u, 4095u, 4096u, 9000u, 9999u}) {
    Tokens values(10'000, 7);
    values[at] = 50257;
    values.back() = 60000;
    write_file(dir / "t", raw(values));
    const std::string value = at == 9999 ? "60000" : "50257";
    expect_fault(
        ExitCode::kInputMissing,
        "t: value " + value + " at position " + std::to_string(at) + " is not below the vocabulary of 50257",
        [&] { open_data(tokens(dir / "t")); });
  }
}

}  // namespace
}  // namespace lockstep
