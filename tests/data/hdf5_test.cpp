// SPDX-License-Identifier: Apache-2.0
#include "data/hdf5_files.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "data/data_files.h"

namespace lockstep {
namespace {

using testing::as;
using testing::chunked;
using testing::expect_fault;
using testing::Hdf5Writer;
using testing::open_data;
using testing::read_file;
using testing::read_sample;
using testing::TempDir;
using testing::write_file;

DataOptions hdf5(const std::string& path, const std::string& inputs = "/x",
                 const std::string& labels = "/y") {
  DataOptions options;
  options.type = "hdf5";
  options.train.paths = {path};
  options.train.inputs = inputs;
  options.train.labels = labels;
  return options;
}

const std::vector<float> kFloats = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
const std::vector<std::int32_t> kLabels = {3, 1, 2, 0};

TEST(Hdf5, ReadsContiguousAndChunkedRows) {
  const TempDir dir;
  for (const bool newest : {true, false}) {
    for (const bool compressed : {false, true}) {
      {
        Hdf5Writer writer(dir / "a.h5", newest);
        const hid_t creation = chunked({2, 2}, compressed);
        writer.add("x", {4, 3}, H5T_NATIVE_FLOAT, kFloats.data(), creation);
        writer.add("y", {4}, H5T_NATIVE_INT32, kLabels.data());
        H5Pclose(creation);
      }
      const auto dataset = open_data(hdf5(dir / "a.h5"));
      ASSERT_EQ(dataset->size(), 4);
      EXPECT_EQ(dataset->spec().input_shape, Shape{3});
      EXPECT_EQ(dataset->spec().input_dtype, DType::kFloat32);
      EXPECT_EQ(as<float>(read_sample(*dataset, 2).input), (std::vector<float>{6, 7, 8}));
      EXPECT_EQ(as<std::int64_t>(read_sample(*dataset, 0).target), std::vector<std::int64_t>{3});
      dataset->check_unchanged();
    }
  }
}

TEST(Hdf5, EveryNumberTypeIsReadByItsValue) {
  const TempDir dir;
  const std::vector<double> doubles = {0.5, -1.5};
  const std::vector<std::int16_t> shorts = {-3, 7};
  const std::vector<float> floats = {1.5, 2.5};
  {
    Hdf5Writer writer(dir / "a.h5");
    H5Gclose(H5Gcreate2(writer.file(), "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    writer.add("g/doubles", {2, 1, 1}, H5T_NATIVE_DOUBLE, doubles.data());
    writer.add("shorts", {2, 1}, H5T_NATIVE_INT16, shorts.data());
    const hid_t swapped = H5Tcopy(H5T_IEEE_F32BE);
    writer.add("big_endian", {2}, swapped, nullptr);
    const hid_t data = H5Dopen2(writer.file(), "big_endian", H5P_DEFAULT);
    H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, floats.data());
    H5Dclose(data);
    H5Tclose(swapped);
  }
  const auto one = open_data(hdf5(dir / "a.h5", "/g/doubles", "shorts"));
  EXPECT_EQ(one->spec().input_dtype, DType::kFloat64);
  EXPECT_EQ(one->spec().input_shape, (Shape{1, 1}));
  EXPECT_TRUE(one->spec().target_shape.empty());
  EXPECT_EQ(as<double>(read_sample(*one, 1).input)[0], -1.5);
  EXPECT_EQ(as<std::int64_t>(read_sample(*one, 0).target)[0], -3);
  const auto two = open_data(hdf5(dir / "a.h5", "/shorts", "/big_endian"));
  EXPECT_EQ(two->spec().input_dtype, DType::kFloat32);
  EXPECT_EQ(as<float>(read_sample(*two, 0).input)[0], -3.0f);
  EXPECT_EQ(two->spec().target_dtype, DType::kFloat32);
  EXPECT_EQ(two->spec().target_shape, Shape{1});
  EXPECT_EQ(as<float>(read_sample(*two, 1).target)[0], 2.5f);
}

// Read as numbers of their own kind: the same values, whatever their width and order.
TEST(Hdf5, NumbersOfEveryWidthAndOrderHaveTheirValue) {
  const TempDir dir;
  const hid_t bfloat = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(bfloat, 15, 7, 8, 0, 7);
  H5Tset_precision(bfloat, 16);
  H5Tset_size(bfloat, 2);
  const hid_t half = H5Tcopy(H5T_IEEE_F32BE);
  H5Tset_fields(half, 15, 10, 5, 0, 10);
  H5Tset_precision(half, 16);
  H5Tset_size(half, 2);
  H5Tset_ebias(half, 15);
  const std::vector<hid_t> types = {H5T_STD_I8BE,   H5T_STD_I16LE,  H5T_STD_I16BE, H5T_STD_I32LE,
                                    H5T_STD_I32BE,  H5T_STD_I64LE,  H5T_STD_I64BE, H5T_IEEE_F32BE,
                                    H5T_IEEE_F64LE, H5T_IEEE_F64BE, bfloat,        half};
  const std::vector<double> values = {-3, 100, 0, 1};
  {
    Hdf5Writer writer(dir / "a.h5");
    writer.add("y", {4}, H5T_NATIVE_INT32, kLabels.data());
    for (std::size_t i = 0; i < types.size(); ++i) {
      const std::string name = "x" + std::to_string(i);
      writer.add(name, {4, 1}, types[i], nullptr);
      const hid_t data = H5Dopen2(writer.file(), name.c_str(), H5P_DEFAULT);
      H5Dwrite(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
      H5Dclose(data);
    }
  }
  for (std::size_t i = 0; i < types.size(); ++i) {
    SCOPED_TRACE(i);
    const auto dataset = open_data(hdf5(dir / "a.h5", "x" + std::to_string(i)));
    for (std::int64_t row = 0; row < 4; ++row) {
      const auto bytes = read_sample(*dataset, row).input;
      const double found = dataset->spec().input_dtype == DType::kFloat64 ? as<double>(bytes).at(0)
                                                                          : double{as<float>(bytes).at(0)};
      EXPECT_EQ(found, values[static_cast<std::size_t>(row)]);
    }
  }
  H5Tclose(bfloat);
  H5Tclose(half);
}

TEST(Hdf5, RefusesANumberThatInt64DoesNotHold) {
  const TempDir dir;
  const std::vector<std::uint64_t> wide = {1, std::uint64_t{1} << 63};
  {
    Hdf5Writer writer(dir / "a.h5");
    writer.add("x", {2, 1}, H5T_NATIVE_UINT64, wide.data());
  }
  DataOptions options = hdf5(dir / "a.h5", "x", "x");
  EXPECT_EQ(as<std::int64_t>(read_sample(*open_data(options), 0).target)[0], 1);
  expect_fault(ExitCode::kInputMissing, "9223372036854775808", [&] { read_sample(*open_data(options), 1); });
}

TEST(Hdf5, SaysHowManyChunksWereNeverWritten) {
  const TempDir dir;
  {
    Hdf5Writer writer(dir / "a.h5");
    writer.add("y", {4}, H5T_NATIVE_INT32, kLabels.data());
    const hid_t creation = chunked({1, 3}, true);
    writer.add("x", {4, 3}, H5T_NATIVE_FLOAT, nullptr, creation);
    H5Pclose(creation);
    const hid_t data = H5Dopen2(writer.file(), "x", H5P_DEFAULT);
    const hsize_t start[] = {2, 0}, count[] = {1, 3};
    const hid_t row = H5Dget_space(data);
    H5Sselect_hyperslab(row, H5S_SELECT_SET, start, nullptr, count, nullptr);
    const hid_t memory = H5Screate_simple(2, count, nullptr);
    H5Dwrite(data, H5T_NATIVE_FLOAT, memory, row, H5P_DEFAULT, kFloats.data() + 6);
    H5Sclose(memory);
    H5Sclose(row);
    H5Dclose(data);
  }
  ::testing::internal::CaptureStderr();
  const auto dataset = open_data(hdf5(dir / "a.h5"));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::HasSubstr("dataset /x: 3 of 4 chunks were never written"));
  EXPECT_EQ(as<float>(read_sample(*dataset, 2).input), (std::vector<float>{6, 7, 8}));
  EXPECT_EQ(as<float>(read_sample(*dataset, 3).input), (std::vector<float>{0, 0, 0}));
}

TEST(Hdf5, BytesAreImagesAsInIdxFiles) {
  const TempDir dir;
  const std::vector<std::uint8_t> pixels = {0, 51, 255, 102, 1, 254};
  const std::vector<std::uint8_t> labels = {9, 200};
  {
    Hdf5Writer writer(dir / "a.h5");
    writer.add("x", {2, 3, 1, 1}, H5T_NATIVE_UINT8, pixels.data());
    writer.add("y", {2, 1}, H5T_NATIVE_UINT8, labels.data());
  }
  DataOptions options = hdf5(dir / "a.h5");
  const auto plain = open_data(options);
  EXPECT_EQ(plain->spec().input_dtype, DType::kFloat32);
  EXPECT_EQ(as<float>(read_sample(*plain, 0).input), (std::vector<float>{0.0f, 51 / 255.0f, 1.0f}));
  EXPECT_EQ(as<std::int64_t>(read_sample(*plain, 1).target), std::vector<std::int64_t>{200});
  EXPECT_TRUE(plain->spec().target_shape.empty());
  options.mean = {0, 0.2, 0.5};
  options.std = {1, 2, 0.25};
  const std::vector<float> expected = {0.0f, (51 / 255.0f - 0.2f) / 2.0f, (1.0f - 0.5f) / 0.25f};
  EXPECT_EQ(as<float>(read_sample(*open_data(options), 0).input), expected);
  options.integer_inputs = true;  // of bytes it says nothing
  EXPECT_EQ(as<float>(read_sample(*open_data(options), 0).input), expected);
}

TEST(Hdf5, OtherIntegersKeepTheirValueAndAreNormalized) {
  const TempDir dir;
  const std::vector<std::int64_t> wide = {(std::int64_t{1} << 24) + 1, -7};
  {
    Hdf5Writer writer(dir / "a.h5");
    writer.add("x", {2, 1}, H5T_NATIVE_INT64, wide.data());
    writer.add("y", {2}, H5T_NATIVE_INT64, wide.data());
  }
  DataOptions options = hdf5(dir / "a.h5");
  EXPECT_EQ(as<double>(read_sample(*open_data(options), 0).input)[0], 16777217.0);
  options.mean = {16777216.0};
  options.std = {2};
  EXPECT_EQ(as<double>(read_sample(*open_data(options), 0).input)[0], 0.5);
  options.integer_inputs = true;
  expect_fault(ExitCode::kConfig, "data.normalize", [&] { open_data(options); });
  options.mean = options.std = {};
  EXPECT_EQ(as<std::int64_t>(read_sample(*open_data(options), 1).input)[0], -7);
}

TEST(Hdf5, PythonsBoolsAreZeroAndOne) {
  const TempDir dir;
  {
    Hdf5Writer writer(dir / "a.h5");
    const hid_t type = H5Tenum_create(H5T_NATIVE_INT8);
    const std::int8_t no = 0, yes = 1;
    H5Tenum_insert(type, "FALSE", &no);
    H5Tenum_insert(type, "TRUE", &yes);
    const std::vector<std::int8_t> values = {0, 1};
    writer.add("x", {2, 1}, type, values.data());
    H5Tclose(type);
    const hid_t other = H5Tenum_create(H5T_NATIVE_INT8);
    H5Tenum_insert(other, "CAT", &no);
    H5Tenum_insert(other, "DOG", &yes);
    writer.add("pets", {2, 1}, other, values.data());
    H5Tclose(other);
  }
  const auto dataset = open_data(hdf5(dir / "a.h5", "/x", "/x"));
  EXPECT_EQ(as<float>(read_sample(*dataset, 1).input)[0], 1.0f);
  EXPECT_EQ(as<std::int64_t>(read_sample(*dataset, 1).target)[0], 1);
  expect_fault(ExitCode::kInputMissing, "neither floats nor integers",
               [&] { open_data(hdf5(dir / "a.h5", "/pets", "/x")); });
}

void write_rows(const std::string& path, hsize_t rows, int first) {
  std::vector<float> inputs(rows);
  std::vector<std::int32_t> labels(rows);
  for (std::size_t i = 0; i < rows; ++i)
    inputs[i] = static_cast<float>(labels[i] = first + static_cast<int>(i));
  Hdf5Writer writer(path);
  writer.add("x", {rows, 1}, H5T_NATIVE_FLOAT, inputs.data());
  writer.add("y", {rows}, H5T_NATIVE_INT32, labels.data());
  writer.add("other", {rows, 1}, H5T_NATIVE_INT32, labels.data());
}

TEST(Hdf5, SeveralFilesAreReadAsOne) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "d");
  write_rows(dir / "d/b.h5", 2, 3);
  write_rows(dir / "d/a.h5", 3, 0);
  const auto folder = open_data(hdf5(dir / "d"));
  ASSERT_EQ(folder->size(), 5);
  for (std::int64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(as<float>(read_sample(*folder, i).input)[0], static_cast<float>(i));
    EXPECT_EQ(as<std::int64_t>(read_sample(*folder, i).target)[0], i);
  }
  EXPECT_EQ(folder->place_of(4), (dir / "d/b.h5") + ", row 1 of /x");
  DataOptions listed = hdf5(dir / "d/a.h5");
  listed.train.paths.push_back(dir / "d/b.h5");
  EXPECT_EQ(open_data(listed)->fingerprint(), folder->fingerprint());
  write_file(dir / "d/notes.txt", "no HDF5");
  expect_fault(ExitCode::kInputMissing, "notes.txt: is not an HDF5 file",
               [&] { open_data(hdf5(dir / "d")); });
}

TEST(Hdf5, FilesThatDifferInKindAreNotJoined) {
  const TempDir dir;
  write_rows(dir / "a.h5", 3, 0);
  {
    Hdf5Writer writer(dir / "b.h5");
    const std::vector<std::uint8_t> bytes = {1, 2};
    writer.add("x", {2, 1}, H5T_NATIVE_UINT8, bytes.data());
    writer.add("y", {2}, H5T_NATIVE_UINT8, bytes.data());
  }
  DataOptions listed = hdf5(dir / "a.h5");
  listed.train.paths.push_back(dir / "b.h5");
  expect_fault(ExitCode::kInputMissing, "b.h5: has other dtypes or row shapes than " + (dir / "a.h5"),
               [&] { open_data(listed); });
}

TEST(Hdf5, SaysThatAFileWasNotClosed) {
  const TempDir dir;
  const pid_t writer = ::fork();
  if (writer == 0) {
    Hdf5Writer open(dir / "a.h5");
    H5Fflush(open.file(), H5F_SCOPE_GLOBAL);
    ::_exit(0);
  }
  int status = 1;
  ASSERT_EQ(::waitpid(writer, &status, 0), writer);
  ASSERT_EQ(status, 0);
  expect_fault(ExitCode::kInputMissing, "h5clear", [&] { open_data(hdf5(dir / "a.h5")); });
}

TEST(Hdf5, SaysWhyAFileCannotBeOpened) {
  const TempDir dir;
  write_rows(dir / "a.h5", 3, 0);
  const std::string bytes = read_file(dir / "a.h5");
  write_file(dir / "a.h5", bytes.substr(0, bytes.size() - 1));
  expect_fault(ExitCode::kInputMissing, "it was 2084 bytes long and has 2083: cut off",
               [&] { open_data(hdf5(dir / "a.h5")); });
}

TEST(Hdf5, NormalizesFloatInputs) {
  const TempDir dir;
  {
    Hdf5Writer writer(dir / "a.h5");
    writer.add("x", {4, 3}, H5T_NATIVE_FLOAT, kFloats.data());
    writer.add("y", {4}, H5T_NATIVE_INT32, kLabels.data());
  }
  DataOptions options = hdf5(dir / "a.h5");
  options.mean = {1, 2, 3};
  options.std = {2, 4, 8};
  EXPECT_EQ(as<float>(read_sample(*open_data(options), 1).input), (std::vector<float>{1.0f, 0.5f, 0.25f}));
  options.train.inputs = "/y";
  expect_fault(ExitCode::kConfig, "data.normalize", [&] { open_data(options); });
}

TEST(Hdf5, RefusesWhatLeadsOutOfTheFileOrIsNotPlain) {
  const TempDir dir;
  write_file(dir / "secret", std::string(64, 's'));
  {
    Hdf5Writer other(dir / "other.h5");
    other.add("x", {4, 3}, H5T_NATIVE_FLOAT, kFloats.data());
    Hdf5Writer writer(dir / "a.h5");
    writer.add("y", {4}, H5T_NATIVE_INT32, kLabels.data());
    writer.add("short", {3}, H5T_NATIVE_INT32, kLabels.data());
    writer.add("scalar", {1}, H5T_NATIVE_INT32, kLabels.data());
    H5Lcreate_soft("/y", writer.file(), "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/loop", writer.file(), "loop", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/x", writer.file(), "external", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/", writer.file(), "root", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(H5Gcreate2(writer.file(), "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    const hid_t elsewhere = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(elsewhere, (dir / "secret").c_str(), 0, 48);
    writer.add("outside", {4, 3}, H5T_NATIVE_FLOAT, nullptr, elsewhere);
    H5Pclose(elsewhere);
    const hid_t pair = H5Tcreate(H5T_COMPOUND, 8);
    H5Tinsert(pair, "a", 0, H5T_NATIVE_FLOAT);
    writer.add("compound", {4}, pair, nullptr);
    H5Tclose(pair);
    writer.add("unwritten", {4, 3}, H5T_NATIVE_FLOAT, nullptr);
    writer.add("huge", {hsize_t{1} << 40}, H5T_NATIVE_FLOAT, nullptr);
    writer.add("empty", {0, 3}, H5T_NATIVE_FLOAT, nullptr);
    writer.add("wide", {1, hsize_t{1} << 40}, H5T_NATIVE_FLOAT, nullptr);
    const hid_t small = chunked({4}, false);
    writer.add("bomb", {hsize_t{1} << 40}, H5T_NATIVE_FLOAT, nullptr, small);
    writer.add("sparse", {100}, H5T_NATIVE_FLOAT, nullptr, small);
    H5Pclose(small);
    const hid_t big = chunked({hsize_t{1} << 29}, true);
    writer.add("bigchunk", {hsize_t{1} << 29}, H5T_NATIVE_FLOAT, nullptr, big);
    H5Pclose(big);
    const hid_t filtered = chunked({4}, false);
    H5Pset_scaleoffset(filtered, H5Z_SO_INT, 0);
    writer.add("filtered", {4}, H5T_NATIVE_INT32, kLabels.data(), filtered);
    H5Pclose(filtered);
    const hid_t view = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t four = 4;
    const hid_t space = H5Screate_simple(1, &four, nullptr);
    H5Pset_virtual(view, space, "other.h5", "/x", space);
    writer.add("virtual", {4}, H5T_NATIVE_FLOAT, nullptr, view);
    H5Sclose(space);
    H5Pclose(view);
  }
  const struct {
    const char* name;
    const char* text;
  } cases[] = {
      {"/none", "is not there, or is a soft or external link"},
      {"/soft", "soft or external link"},
      {"/loop", "soft or external link"},
      {"/external", "soft or external link"},
      {"/root/x", "soft or external link"},
      {"/group", "is not a dataset"},
      {"/outside", "keeps its values in another file"},
      {"/compound", "neither floats nor integers"},
      {"/unwritten", "claims 4 rows"},
      {"/huge", "claims 1099511627776 rows"},
      {"/empty", "holds no element"},
      {"/wide", "claims rows of more than"},
      {"/bomb", "claims 1099511627776 rows in 274877906944 chunks, 0 are in its file"},
      {"/sparse", "claims 100 rows in 25 chunks, 0 are in its file"},
      {"/bigchunk", "claims chunks of more than"},
      {"/filtered", "uses filter 6"},
      {"/virtual", "virtual storage"},
      {"/short", "/short has 3 rows, /y has 4"},
  };
  for (const auto& item : cases) {
    SCOPED_TRACE(item.name);
    expect_fault(ExitCode::kInputMissing, item.text, [&] { open_data(hdf5(dir / "a.h5", item.name)); });
  }
}

TEST(Hdf5, RefusesFilesThatAreDamagedOrNoHdf5) {
  const TempDir dir;
  write_file(dir / "text", "this is no HDF5 file");
  expect_fault(ExitCode::kInputMissing, "is not an HDF5 file", [&] { open_data(hdf5(dir / "text")); });
  expect_fault(ExitCode::kInputMissing, "cannot be opened", [&] { open_data(hdf5(dir / "none")); });
  {
    Hdf5Writer writer(dir / "a.h5");
    writer.add("x", {4, 3}, H5T_NATIVE_FLOAT, kFloats.data());
    writer.add("y", {4}, H5T_NATIVE_INT32, kLabels.data());
  }
  const std::string whole = read_file(dir / "a.h5");
  int refused = 0;
  for (std::size_t bytes = 0; bytes < whole.size(); bytes += 97) {
    write_file(dir / "b.h5", whole.substr(0, bytes));
    expect_fault(ExitCode::kInputMissing, "b.h5", [&] { open_data(hdf5(dir / "b.h5")); });
    ++refused;
  }
  EXPECT_GE(refused, 10);
  expect_fault(ExitCode::kConfig, "needs a path", [&] { open_data(hdf5(dir / "a.h5", "")); });
}

TEST(Hdf5, ChangedFileIsRefusedWhileOpen) {
  const TempDir dir;
  {
    Hdf5Writer writer(dir / "a.h5");
    writer.add("x", {4, 3}, H5T_NATIVE_FLOAT, kFloats.data());
    writer.add("y", {4}, H5T_NATIVE_INT32, kLabels.data());
  }
  const auto dataset = open_data(hdf5(dir / "a.h5"));
  std::ofstream(dir / "a.h5", std::ios::app) << "x";
  expect_fault(ExitCode::kInputMissing, "a.h5: changed since the run began",
               [&] { dataset->check_unchanged(); });
}

}  // namespace
}  // namespace lockstep
