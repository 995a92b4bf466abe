// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>

#include "data/data_files.h"
#include "data/fields.h"

namespace lockstep {
namespace {

using testing::expect_fault;
using testing::FieldBytes;
using testing::open_data;
using testing::read_fields;
using testing::read_file;
using testing::TempDir;
using testing::write_file;

// Made by tests/data/npz/make_files.py.
std::string file(const std::string& name) {
  return std::string(LOCKSTEP_SOURCE_DIR) + "/tests/data/npz/" + name;
}

DataOptions npz(const std::string& name) {
  DataOptions options;
  options.type = "npz";
  options.train.paths = {file(name)};
  options.integer_inputs = true;
  return options;
}

// One array of types.npz beside its labels.
FieldBytes one_of_types(const std::string& array, std::int64_t index) {
  DataOptions options = npz("types.npz");
  options.fields = {{"x", array}, {"y", "label"}};
  return read_fields(*open_data(options), index);
}

TEST(Npz, ArraysAreFieldsUnderTheirNamesStoredOrCompressed) {
  for (const char* name : {"plain.npz", "compressed.npz"}) {
    const auto data = open_data(npz(name));
    ASSERT_EQ(data->size(), 4) << name;
    EXPECT_EQ(data->fields(),
              (std::vector<Field>{
                  {"x", DType::kFloat32, {3}}, {"mask", DType::kBool, {3}}, {"y", DType::kInt64, {}}}));
    EXPECT_EQ(data->target_field(), "y");
    const FieldBytes sample = read_fields(*data, 2);
    EXPECT_EQ(sample.as<float>("x"), (std::vector<float>{6, 7, 8}));
    EXPECT_EQ(sample.as<std::uint8_t>("mask"), (std::vector<std::uint8_t>{0, 1, 0}));
    EXPECT_EQ(sample.as<std::int64_t>("y"), std::vector<std::int64_t>{2});
    EXPECT_NE(data->place_of(2).find(std::string(name) + ", row 2"), std::string::npos) << data->place_of(2);
    EXPECT_NE(data->description().find("4 samples of x float32 [3], mask bool [3], target y int64 []"),
              std::string::npos)
        << data->description();
  }
}

TEST(Npz, EveryTypeAndOrderOfNumPysIsReadByItsValue) {
  // Row 1 of arange(24).reshape(2, 3, 4), kept column by column.
  std::vector<double> expected(12);
  for (std::size_t i = 0; i < 12; ++i) expected[i] = 12 + static_cast<double>(i);
  EXPECT_EQ(one_of_types("fortran", 1).as<double>("x"), expected);
  EXPECT_EQ(one_of_types("big", 1).as<std::int64_t>("x"), (std::vector<std::int64_t>{3, 1 << 30}));
  EXPECT_EQ(one_of_types("big", 0).as<std::int64_t>("x"), (std::vector<std::int64_t>{1, -2}));
  EXPECT_EQ(one_of_types("half", 0).as<float>("x"), std::vector<float>{1.5F});
  EXPECT_EQ(one_of_types("half", 1).as<float>("x"), std::vector<float>{-65504.0F});
  EXPECT_EQ(one_of_types("tiny", 0).as<float>("x"), std::vector<float>{0x1p-24F});
  EXPECT_EQ(one_of_types("tiny", 1).as<float>("x"), std::vector<float>{HUGE_VALF});
  EXPECT_EQ(one_of_types("bytes", 0).as<std::uint8_t>("x"), (std::vector<std::uint8_t>{0, 255}));
  EXPECT_EQ(one_of_types("short", 0).as<std::int64_t>("x"), std::vector<std::int64_t>{-3});
  EXPECT_EQ(one_of_types("wide", 1).as<std::int64_t>("x"), std::vector<std::int64_t>{INT64_MAX});
  EXPECT_EQ(one_of_types("group/inner", 1).as<std::int64_t>("x"), std::vector<std::int64_t>{6});
  EXPECT_EQ(one_of_types("größe", 1).as<double>("x"), std::vector<double>{0.25});
  // A column of labels is one class a sample.
  EXPECT_EQ(one_of_types("half", 0).as<std::int64_t>("y"), std::vector<std::int64_t>{1});
}

TEST(Npz, ABuiltInModelGetsNumbersAsFromHdf5) {
  DataOptions options = npz("types.npz");
  options.fields = {{"x", "bytes"}, {"y", "label"}};
  options.integer_inputs = false;
  options.mean = {0.5};
  options.std = {0.5};
  EXPECT_EQ(read_fields(*open_data(options), 0).as<float>("x"),
            (std::vector<float>{(0.0F - 0.5F) / 0.5F, (1.0F - 0.5F) / 0.5F}));
}

TEST(Npz, FilesAreJoinedAndAreDataByTheirContent) {
  DataOptions options = npz("plain.npz");
  options.train.paths.push_back(file("second.npz"));
  const auto data = open_data(options);
  ASSERT_EQ(data->size(), 8);
  EXPECT_EQ(read_fields(*data, 6).as<float>("x"), (std::vector<float>{106, 107, 108}));
  EXPECT_NE(data->place_of(6).find("second.npz, row 2"), std::string::npos);
  EXPECT_NE(data->fingerprint(), open_data(npz("plain.npz"))->fingerprint());
  options.train.paths[1] = file("types.npz");
  expect_fault(ExitCode::kInputMissing, "types.npz: has no array x; it has fortran",
               [&] { open_data(options); });
}

TEST(Npz, SamplesThatDifferInLengthComeWithTheirLengths) {
  DataOptions options = npz("ragged.npz");
  options.lengths = {{"tokens", "lengths"}};
  const auto data = open_data(options);
  ASSERT_EQ(data->size(), 4);
  EXPECT_EQ(data->fields(), (std::vector<Field>{{"tokens", DType::kInt64, {-1}}, {"y", DType::kInt64, {}}}));
  HostBatch batch;
  read_chunk(*data, {0, 4}, batch);
  EXPECT_EQ(testing::numbers_of<std::int64_t>(batch, "tokens"),
            (std::vector<std::int64_t>{1, 2, 0, 0, 0, 0, 3, 4, 5, 6, 0, 0}));
  EXPECT_EQ(testing::numbers_of<std::int64_t>(batch, "tokens_length"),
            (std::vector<std::int64_t>{2, 0, 3, 1}));
  // 3, 1, 2 and 0 rows: as many as there are, and another sample gets them.
  options.lengths = {{"tokens", "y"}};
  options.target = "lengths";
  EXPECT_EQ(read_fields(*open_data(options), 0).as<std::int64_t>("tokens"),
            (std::vector<std::int64_t>{1, 2, 3}));
  options.fields = {{"tokens", "lengths"}, {"lengths", "lengths"}};
  expect_fault(ExitCode::kInputMissing, "y gives sample 2 2 rows, lengths has 4 in all",
               [&] { open_data(options); });
}

struct Refused {
  const char* name;
  ExitCode code;
  const char* text;
};

void PrintTo(const Refused& refused, std::ostream* out) {
  *out << refused.name;
}

class NpzRefuses : public ::testing::TestWithParam<Refused> {};

TEST_P(NpzRefuses, WithAWordThatNamesWhatItIs) {
  const Refused& refused = GetParam();
  expect_fault(refused.code, refused.text,
               [&] { open_data(npz("refused_" + std::string(refused.name) + ".npz")); });
}

constexpr ExitCode kFile = ExitCode::kInputMissing;
INSTANTIATE_TEST_SUITE_P(
    Of, NpzRefuses,
    ::testing::Values(Refused{"objects", kFile, "array x: holds Python objects"},
                      Refused{"scalar", kFile, "array rate: is a single value without dimensions"},
                      Refused{"unequal", kFile, "x has 4 rows, mask has 3"},
                      Refused{"text", kFile, "array x: is of dtype '<U2'"},
                      Refused{"complex", kFile, "array x: is of dtype '<c16'"},
                      Refused{"struct", kFile, "array x: is of dtype [('a', '<f4'), ('b', '<i8')]"},
                      Refused{"empty", kFile, "array x: is [0, 3] and holds no element"},
                      Refused{"one_array", kFile, "is a single NumPy array (.npy), not an archive"},
                      Refused{"cut", kFile, "zip archive: it has no end record"},
                      Refused{"target", ExitCode::kConfig,
                              "which field of the data is the target? They are a, b"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Npz, RefusesANumberThatNoIntegerOfTorchHolds) {
  const auto data = open_data(npz("refused_uint64.npz"));
  EXPECT_EQ(read_fields(*data, 0).as<std::int64_t>("x"), std::vector<std::int64_t>{1});
  expect_fault(ExitCode::kInputMissing, "array x: row 1 holds 9223372036854775808",
               [&] { read_fields(*data, 1); });
}

TEST(Npz, RefusesNamesThatAreNotThere) {
  DataOptions options = npz("plain.npz");
  options.fields = {{"x", "x"}, {"y", "z"}};
  expect_fault(ExitCode::kInputMissing, "has no array z; it has x, mask, y", [&] { open_data(options); });
  options.fields = {};
  options.target = "z";
  expect_fault(ExitCode::kConfig, "data.target is z, which is no field of the data; they are x, mask, y",
               [&] { open_data(options); });
  options.target = "";
  options.lengths = {{"z", "y"}};
  expect_fault(ExitCode::kConfig, "data.lengths names z", [&] { open_data(options); });
}

TEST(Npz, EveryFlippedByteIsReadOrRefusedWithTheRightCode) {
  const TempDir dir;
  int refused = 0;
  for (const char* name : {"plain.npz", "compressed.npz"}) {
    const std::string good = read_file(file(name));
    for (std::size_t at = 0; at < good.size(); ++at) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x21);
      write_file(dir / "bad.npz", bad);
      DataOptions options = npz(name);
      options.train.paths = {dir / "bad.npz"};
      try {
        const auto data = open_data(options);
        for (std::int64_t index = 0; index < data->size(); ++index) read_fields(*data, index);
      } catch (const Fault& fault) {
        ++refused;
        // A name that changed leaves the target without one.
        EXPECT_TRUE(fault.code() == ExitCode::kInputMissing || fault.code() == ExitCode::kConfig)
            << at << fault.what();
      }
    }
  }
  EXPECT_GT(refused, 1000) << "checksums and headers leave little that could be changed";
}

}  // namespace
}  // namespace lockstep
