// SPDX-License-Identifier: Apache-2.0
#include "data/formats/token_file.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "data/data_files.h"

namespace lockstep {
namespace {

using testing::as;
using testing::expect_fault;
using testing::llmc_header;
using testing::npy;
using testing::open_data;
using testing::raw;
using testing::read_sample;
using testing::TempDir;
using testing::write_file;
using Tokens = std::vector<std::uint16_t>;
using Wide = std::vector<std::int64_t>;

DataOptions tokens(const std::string& path, std::int64_t vocab = 50257) {
  DataOptions options;
  options.type = "tokens";
  options.train.paths = {path};
  options.context = 2;
  options.vocab = vocab;
  return options;
}

void refuses(const std::string& text, const DataOptions& options) {
  expect_fault(ExitCode::kInputMissing, text, [&] { open_data(options); });
}

Wide inputs_of(const DataOptions& options, std::int64_t index) {
  return as<std::int64_t>(read_sample(*open_data(options), index).input);
}

TEST(TokenFile, RawAndLlmcLayoutsAreReadAlike) {
  const TempDir dir;
  const Tokens values = {1, 50256, 300, 4, 5};
  write_file(dir / "raw.bin", raw(values));
  write_file(dir / "llmc", llmc_header(5) + raw(values));
  const auto plain = open_data(tokens(dir / "raw.bin"));
  const auto with_header = open_data(tokens(dir / "llmc"));
  ASSERT_EQ(plain->size(), 2);
  EXPECT_EQ(as<std::int64_t>(read_sample(*plain, 0).input), (Wide{1, 50256}));
  EXPECT_EQ(as<std::int64_t>(read_sample(*with_header, 1).target), (Wide{4, 5}));
  EXPECT_EQ(plain->fingerprint(), with_header->fingerprint());
  EXPECT_EQ(plain->description(), "1 file (raw uint16): 5 values, 2 samples of 2");
  EXPECT_EQ(with_header->description(), "1 file (llm.c for GPT-2, uint16): 5 values, 2 samples of 2");
}

TEST(TokenFile, ReadsLlama3FilesAs32Bits) {
  const TempDir dir;
  const std::vector<std::uint32_t> values = {1, 128255, 65536, 4, 5};
  write_file(dir / "t.bin", llmc_header(5, 7, 20240801) + raw(values));
  EXPECT_EQ(inputs_of(tokens(dir / "t.bin", 128256), 0), (Wide{1, 128255}));
  EXPECT_EQ(inputs_of(tokens(dir / "t.bin", 128256), 1), (Wide{65536, 4}));
  refuses("value 128255 at position 1 is not below the vocabulary of 128255", tokens(dir / "t.bin", 128255));
}

TEST(TokenFile, RefusesDamagedFiles) {
  const TempDir dir;
  const Tokens values = {1, 2, 3, 4, 5};
  const std::vector<std::uint32_t> words = {1, 2, 3, 4, 5};
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
      {llmc_header(5, 1, 20240801) + raw(words), "version 1, expected 7"},
      {llmc_header(5, 7, 20240801) + raw(values), "promises 5 tokens, 10 bytes follow, expected 20"},
      {llmc_header(5).substr(0, 100), "has 100 bytes, expected a header of 1024"},
      {llmc_header(5, 3, 20240326) + raw(words), "starts with 20240326: llm.c's"},
      {llmc_header(5, 1, static_cast<std::int32_t>(0x88d83401)) + raw(values), "big-endian"},
      {"", "is empty"},
  };
  for (const auto& item : cases) {
    write_file(dir / "t.bin", item.bytes);
    refuses(item.text, tokens(dir / "t.bin"));
  }
}

TEST(TokenFile, TakesNothingElseForRawTokens) {
  const TempDir dir;
  const std::string values = raw(Tokens{1, 2000, 3, 4, 5, 6, 7, 8, 900, 10});
  const struct {
    const char* name;
    std::string bytes;
    const char* text;
  } cases[] = {
      {"t", values, "only a .bin is taken"},
      {"t.txt", "the quick brown fox jumps over the lazy dog.", "is text"},
      {"text.bin", "the quick brown fox jumps over the lazy dog.", "is text"},
      {"t.json", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]", "is text"},
      {"t.bin.gz", values, "is gzip-compressed"},
      {"packed.bin", std::string("\x1f\x8b\x08\x00", 4) + values, "is gzip-compressed"},
      {"t.pt", values, "is of torch.save"},
      {"zip.bin", std::string("PK\x03\x04", 4) + values, "is a zip archive"},
      {"t.parquet", values, "is a Parquet file"},
      {"hdf5.bin", "\x89HDF\r\n\x1a\n" + values, "is an HDF5 file"},
      {"t.npz", values, "NumPy arrays"},
  };
  for (const auto& item : cases) {
    SCOPED_TRACE(item.name);
    write_file(dir / item.name, item.bytes);
    refuses(item.text, tokens(dir / item.name));
  }
}

TEST(TokenFile, DoesNotTakeWiderNumbersForUint16) {
  const TempDir dir;
  const std::vector<std::uint32_t> words = {1, 2, 300, 4, 5, 50256, 7, 8, 9, 10};
  write_file(dir / "t.bin", raw(words));
  refuses("looks like uint32", tokens(dir / "t.bin"));
  write_file(dir / "l.bin", raw(Wide{1, 2, 300, 4, 5, 50256, 7, 8, 9, 10}));
  refuses("looks like int64", tokens(dir / "l.bin"));
  refuses("a vocabulary of 128256 does not fit uint16", tokens(dir / "t.bin", 128256));
  DataOptions said = tokens(dir / "t.bin");
  for (const char* type : {"uint32", "int32"}) {
    said.token_dtype = type;
    EXPECT_EQ(inputs_of(said, 1), (Wide{300, 4}));
  }
  said.token_dtype = "uint16";
  EXPECT_EQ(inputs_of(said, 1), (Wide{2, 0}));
  said = tokens(dir / "l.bin");
  said.token_dtype = "int64";
  EXPECT_EQ(inputs_of(said, 2), (Wide{5, 50256}));
}

TEST(TokenFile, RefusesADtypeThatContradictsTheHeader) {
  const TempDir dir;
  write_file(dir / "t", llmc_header(5) + raw(Tokens{1, 2, 3, 4, 5}));
  DataOptions options = tokens(dir / "t");
  options.token_dtype = "uint16";
  EXPECT_EQ(inputs_of(options, 0), (Wide{1, 2}));
  options.token_dtype = "uint32";
  expect_fault(ExitCode::kConfig, "says uint16", [&] { open_data(options); });
}

TEST(TokenFile, RefusesNegativeTokens) {
  const TempDir dir;
  write_file(dir / "t.npy", npy("<i4", "(5,)", raw(std::vector<std::int32_t>{1, 2, -100, 4, 5})));
  refuses("value -100 at position 2", tokens(dir / "t.npy"));
  refuses("value -100 at position 2", tokens(dir / "t.npy", std::int64_t{1} << 40));
}

TEST(TokenFile, ReadsNumpyArraysOfEveryIntegerTypeAndVersion) {
  const TempDir dir;
  const Wide values = {1, 2, 3, 4, 5};
  const auto stored = [&]<class Value>(Value) {
    return raw(std::vector<Value>(values.begin(), values.end()));
  };
  const std::pair<const char*, std::string> cases[] = {
      {"|u1", stored(std::uint8_t{})},  {"<u2", stored(std::uint16_t{})}, {"<u4", stored(std::uint32_t{})},
      {"<u8", stored(std::uint64_t{})}, {"|i1", stored(std::int8_t{})},   {"<i2", stored(std::int16_t{})},
      {"<i4", stored(std::int32_t{})},  {"<i8", stored(std::int64_t{})}};
  for (const auto& [descr, payload] : cases)
    for (const int version : {1, 2, 3}) {
      write_file(dir / "t.npy", npy(descr, "(5,)", payload, version));
      EXPECT_EQ(inputs_of(tokens(dir / "t.npy", 6), 1), (Wide{3, 4})) << descr << version;
    }
}

TEST(TokenFile, RefusesOtherNumpyArrays) {
  const TempDir dir;
  const std::string payload = raw(Tokens{1, 2, 3, 4, 5, 6});
  const struct {
    std::string bytes;
    const char* text;
  } cases[] = {
      {npy("<f4", "(3,)", payload), "dtype '<f4', expected little-endian integers"},
      {npy(">u2", "(6,)", payload), "dtype '>u2'"},
      {npy("|O", "(6,)", payload), "dtype '|O'"},
      {npy("|b1", "(12,)", payload), "dtype '|b1'"},
      {npy("<u2", "(2, 3)", payload), "shape (2, 3), expected one dimension"},
      {npy("<u2", "()", payload), "shape ()"},
      {npy("<u2", "(6,)", payload, 4), "format version 4"},
      {npy("<u2", "(7,)", payload), "promises 7 values of 2 bytes, 12 bytes follow"},
      {npy("<u2", "(5,)", payload), "promises 5 values"},
      {npy("<u2", "(99999999999999999999999,)", payload), "shape"},
      {npy("<u2", "(6,)", payload).substr(0, 30), "less than its NumPy header"},
      {std::string("\x93NUMPY", 6), "format version 0"},
      {std::string("\x93NUMPY\x01\x00\x04\x00{   ", 14), "dtype"},
  };
  for (const auto& item : cases) {
    write_file(dir / "t.npy", item.bytes);
    refuses(item.text, tokens(dir / "t.npy"));
  }
}

TEST(TokenFile, ShardsOfOneLayoutAreJoinedAndOfSeveralRefused) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "s");
  write_file(dir / "s/1.bin", llmc_header(3) + raw(Tokens{1, 2, 3}));
  write_file(dir / "s/2.bin", llmc_header(0));
  write_file(dir / "s/3.bin", llmc_header(2) + raw(Tokens{4, 5}));
  EXPECT_EQ(inputs_of(tokens(dir / "s"), 1), (Wide{3, 4}));
  EXPECT_EQ(open_data(tokens(dir / "s"))->place_of(1), (dir / "s/1.bin") + ", from value 2 on (sample 1)");
  write_file(dir / "s/4.bin", raw(Tokens{6, 7}));
  refuses("4.bin: is raw uint16, and " + (dir / "s/1.bin") + " before it is llm.c", tokens(dir / "s"));
}

TEST(TokenFile, NamesTheFirstTokenOutsideTheVocabularyWhereverItLies) {
  const TempDir dir;
  for (const std::size_t at : {0u, 1u, 4095u, 4096u, 9000u, 9999u}) {
    Tokens values(10'000, 7);
    values[at] = 50257;
    values.back() = 60000;
    write_file(dir / "t.bin", raw(values));
    const std::string value = at == 9999 ? "60000" : "50257";
    refuses("t.bin: value " + value + " at position " + std::to_string(at) +
                " is not below the vocabulary of 50257",
            tokens(dir / "t.bin"));
  }
}

}  // namespace
}  // namespace lockstep
