// SPDX-License-Identifier: Apache-2.0
// Our reader of training data against the library, which writes what it reads.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "hdf5/chunk_cache.h"
#include "hdf5/table_files.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using testing::bytes_of;
using testing::Hdf5Writer;
using testing::read_all;
using testing::read_file;
using testing::table_forms;
using testing::table_values;
using testing::TableForm;
using testing::TempDir;

struct FilterForm {
  const char* name;
  std::function<void(hid_t)> set;
};

const std::vector<FilterForm>& filter_forms() {
  static const std::vector<FilterForm> forms = {{"none", [](hid_t) {}},
                                                {"gzip", [](hid_t list) { H5Pset_deflate(list, 4); }},
                                                {"shuffle", [](hid_t list) { H5Pset_shuffle(list); }},
                                                {"fletcher32", [](hid_t list) { H5Pset_fletcher32(list); }},
                                                {"shuffle, gzip, fletcher32",
                                                 [](hid_t list) {
                                                   H5Pset_shuffle(list);
                                                   H5Pset_deflate(list, 9);
                                                   H5Pset_fletcher32(list);
                                                 }},
                                                {"fletcher32, gzip, shuffle", [](hid_t list) {
                                                   H5Pset_fletcher32(list);
                                                   H5Pset_deflate(list, 1);
                                                   H5Pset_shuffle(list);
                                                 }}};
  return forms;
}

class OwnTable : public ::testing::TestWithParam<TableForm> {
 protected:
  // An index that has no filters is made without.
  bool may_filter() const { return !GetParam().chunk.empty() && !GetParam().early; }

  TempDir dir_;
  std::string path_ = dir_ / "a.h5";
};

TEST_P(OwnTable, HasTheValuesThatTheLibraryWroteWhateverTheFilters) {
  for (const FilterForm& filters : filter_forms()) {
    if (!may_filter() && filters.name != filter_forms()[0].name) break;
    SCOPED_TRACE(filters.name);
    testing::write_table(path_, GetParam(), filters.set);
    const std::string file = read_file(path_);
    const Hdf5Table table(bytes_of(file), "/x");
    EXPECT_EQ(table.rows(), 20);
    EXPECT_EQ(table.row_shape(), Shape{6});
    for (const std::int64_t at_once : {1, 7, 20})
      EXPECT_EQ(read_all<std::int32_t>(table, at_once), table_values());
  }
}

TEST_P(OwnTable, HasTheFillValueInChunksThatWereNeverWritten) {
  if (GetParam().chunk.empty() || GetParam().early) return;
  const std::int32_t fill = -5;
  {
    Hdf5Writer writer(path_, GetParam().newest);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 2, GetParam().chunk.data());
    H5Pset_fill_value(creation, H5T_NATIVE_INT32, &fill);
    const hsize_t dims[] = {20, 6};
    const hid_t space = H5Screate_simple(2, dims, GetParam().most.empty() ? nullptr : GetParam().most.data());
    const hid_t data =
        H5Dcreate2(writer.file(), "x", H5T_STD_I32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    const hsize_t start[] = {9, 0}, count[] = {1, 1};
    const hid_t one = H5Screate_simple(2, count, nullptr);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, count, nullptr);
    const std::int32_t value = 77;
    H5Dwrite(data, H5T_NATIVE_INT32, one, space, H5P_DEFAULT, &value);
    H5Sclose(one);
    H5Sclose(space);
    H5Dclose(data);
    H5Pclose(creation);
  }
  std::vector<std::int32_t> expected(120, fill);
  expected[9 * 6] = 77;
  const std::string file = read_file(path_);
  EXPECT_EQ(read_all<std::int32_t>(Hdf5Table(bytes_of(file), "x"), 3), expected);
}

INSTANTIATE_TEST_SUITE_P(Of, OwnTable, ::testing::ValuesIn(table_forms()),
                         [](const auto& info) { return std::string(info.param.name); });

// One byte a chunk, so that arrays have pages, and data blocks of their own beside each other.
TEST(OwnTables, FindEveryOneOfManyChunks) {
  constexpr hsize_t kChunks = 140'000;
  const TempDir dir;
  std::vector<std::uint8_t> values(kChunks);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint8_t>(i * 7 % 251);
  for (const auto& [newest, most] : {std::pair<bool, hsize_t>{true, kChunks}, {true, H5S_UNLIMITED}}) {
    {
      Hdf5Writer writer(dir / "a.h5", newest);
      const hid_t creation = testing::chunked({1}, false);
      const hid_t space = H5Screate_simple(1, &kChunks, &most);
      const hid_t data =
          H5Dcreate2(writer.file(), "x", H5T_STD_U8LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
      Hdf5Writer::must(H5Dwrite(data, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
      H5Dclose(data);
      H5Sclose(space);
      H5Pclose(creation);
    }
    const std::string file = read_file(dir / "a.h5");
    EXPECT_EQ(read_all<std::uint8_t>(Hdf5Table(bytes_of(file), "x"), 1000), values);
  }
}

TEST(OwnTables, ReadEdgesThatWereStoredWithoutFilters) {
  const TempDir dir;
  for (const TableForm& form : table_forms()) {
    if (!form.newest || form.chunk.empty() || form.early) continue;
    SCOPED_TRACE(form.name);
    testing::write_table(dir / "a.h5", form, [](hid_t list) {
      H5Pset_chunk_opts(list, H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS);
      H5Pset_deflate(list, 4);
    });
    const std::string file = read_file(dir / "a.h5");
    EXPECT_EQ(read_all<std::int32_t>(Hdf5Table(bytes_of(file), "x")), table_values());
  }
}

// As the library's filters do where compression makes nothing smaller.
TEST(OwnTables, ReadChunksThatLeftAFilterOut) {
  const TempDir dir;
  const std::vector<std::uint8_t> values = {1, 2, 3, 4, 5, 6, 7, 8};
  {
    Hdf5Writer writer(dir / "a.h5");
    const hid_t creation = testing::chunked({4}, true);
    const hsize_t dims = 8;
    const hid_t space = H5Screate_simple(1, &dims, nullptr);
    const hid_t data =
        H5Dcreate2(writer.file(), "x", H5T_STD_U8LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    H5Dwrite(data, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
    const hsize_t second = 4;
    Hdf5Writer::must(H5Dwrite_chunk(data, H5P_DEFAULT, 1, &second, 4, values.data() + 4));
    H5Dclose(data);
    H5Sclose(space);
    H5Pclose(creation);
  }
  const std::string file = read_file(dir / "a.h5");
  EXPECT_EQ(read_all<std::uint8_t>(Hdf5Table(bytes_of(file), "x")), values);
}

// Made by h5py: tests/fuzz/make_seeds.py.
TEST(OwnTables, ReadWhatH5pyPackedWithLzf) {
  const std::string file =
      read_file(std::string(LOCKSTEP_SOURCE_DIR) + "/tests/fuzz/corpus/hdf5_data/lzf.h5");
  std::vector<std::uint16_t> expected(240);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<std::uint16_t>(i / 7 * 300);
  EXPECT_EQ(read_all<std::uint16_t>(Hdf5Table(bytes_of(file), "x")), expected);
}

TEST(OwnTables, PassOverAUserBlock) {
  const TempDir dir;
  (void)H5dont_atexit();
  const hid_t creation = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_userblock(creation, 1024);
  const hid_t written = H5Fcreate((dir / "a.h5").c_str(), H5F_ACC_TRUNC, creation, H5P_DEFAULT);
  const hsize_t dims = 3;
  const std::vector<std::int32_t> values = {4, 5, 6};
  const hid_t space = H5Screate_simple(1, &dims, nullptr);
  const hid_t data = H5Dcreate2(written, "x", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  H5Dwrite(data, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  H5Dclose(data);
  H5Sclose(space);
  H5Fclose(written);
  H5Pclose(creation);
  const std::string file = read_file(dir / "a.h5");
  EXPECT_EQ(read_all<std::int32_t>(Hdf5Table(without_user_block(bytes_of(file)), "x")), values);
}

TEST(OwnTables, AreReadFromSeveralThreadsAtOnce) {
  const TempDir dir;
  testing::write_table(dir / "a.h5", {"", true, {3, 4}}, [](hid_t list) { H5Pset_deflate(list, 4); });
  const std::string file = read_file(dir / "a.h5");
  const Hdf5Table table(bytes_of(file), "x");
  std::vector<std::vector<std::int32_t>> found(4);
  {
    std::vector<std::jthread> threads;
    for (auto& values : found)
      threads.emplace_back([&] {
        for (int turn = 0; turn < 50; ++turn) values = read_all<std::int32_t>(table);
      });
  }
  for (const auto& values : found) EXPECT_EQ(values, table_values());
}

TEST(Hdf5ChunkCache, UnpacksOnceKeepsTheLastAndForgetsWhatFailed) {
  Hdf5ChunkCache cache(25);
  int made = 0;
  const auto get = [&](std::uint64_t number) {
    return cache.get({0, number, 10}, [&] {
      ++made;
      if (number == 9) throw Fault(ExitCode::kNoValidCheckpoint, "damaged");
      return Hdf5ChunkCache::Bytes(new std::byte[1]{std::byte(number)});
    });
  };
  EXPECT_EQ(get(1)[0], std::byte{1});
  EXPECT_EQ(get(1)[0], std::byte{1});
  EXPECT_EQ(made, 1);
  get(2);
  get(1);
  get(3);  // in place of 2, which was asked for before 1
  get(1);
  EXPECT_EQ(made, 3);
  get(2);
  EXPECT_EQ(made, 4);
  EXPECT_THROW(get(9), Fault);
  EXPECT_THROW(get(9), Fault);
  EXPECT_EQ(made, 6);
  // One that is larger than all it keeps is kept alone.
  const auto large = [&] { return cache.get({1, 0, 100}, [] { return Hdf5ChunkCache::Bytes(); }); };
  large();
  EXPECT_EQ(get(1)[0], std::byte{1});
  EXPECT_EQ(made, 7);
}

}  // namespace
}  // namespace lockstep
