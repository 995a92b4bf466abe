// SPDX-License-Identifier: Apache-2.0
// Damaged files of training data: refused, or read as they were; nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <random>

#include "hdf5/table_files.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using testing::bytes_of;
using testing::read_all;
using testing::read_file;
using testing::table_forms;
using testing::table_values;
using testing::TableForm;
using testing::TempDir;

// Empty when it was refused with 65; anything else thrown fails the test.
std::optional<std::vector<std::int32_t>> read_or_refuse(const std::string& file) {
  try {
    const Hdf5Bytes bytes = without_user_block(bytes_of(file));
    const Hdf5Table table(bytes, "x");
    std::size_t row = table.type().bytes;
    for (const std::int64_t dimension : table.row_shape()) row *= static_cast<std::size_t>(dimension);
    std::vector<std::byte> one(row);
    std::vector<std::int32_t> values;
    for (std::int64_t i = 0; i < std::min<std::int64_t>(table.rows(), 100); ++i) {
      table.read_rows(i, one);
      for (std::size_t at = 0; at + 4 <= row; at += 4) {
        std::int32_t value = 0;
        std::memcpy(&value, one.data() + at, sizeof value);
        values.push_back(value);
      }
    }
    return values;
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kNoValidCheckpoint) << fault.what();
    return std::nullopt;
  }
}

class HostileTable : public ::testing::TestWithParam<TableForm> {
 protected:
  std::string file_of(const std::function<void(hid_t)>& make) const {
    testing::write_table(dir_ / "a.h5", GetParam(), make);
    return read_file(dir_ / "a.h5");
  }
  bool may_filter() const { return !GetParam().chunk.empty() && !GetParam().early; }

  TempDir dir_;
};

TEST_P(HostileTable, IsNeverReadWhereItIsCutOff) {
  const std::string file = file_of([this](hid_t list) {
    if (may_filter()) H5Pset_deflate(list, 4);
  });
  ASSERT_EQ(read_or_refuse(file), table_values());
  for (std::size_t bytes = 0; bytes < file.size(); ++bytes)
    ASSERT_FALSE(read_or_refuse(file.substr(0, bytes))) << bytes;
}

// Files of the newer formats have checksums over their metadata, and these have them over their chunks: every
// bit counts, or is looked at by nobody.
TEST_P(HostileTable, WithChecksumsHasTheRightValuesOrNoneWhateverBitIsFlipped) {
  if (!GetParam().newest || !may_filter()) return;
  for (const bool gzip : {true, false}) {
    const std::string file = file_of([&](hid_t list) {
      if (gzip)
        H5Pset_deflate(list, 4);
      else
        H5Pset_fletcher32(list);
    });
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
      std::string damaged = file;
      damaged[bit / 8] ^= static_cast<char>(1 << bit % 8);
      const auto found = read_or_refuse(damaged);
      refused += found ? 0 : 1;
      ASSERT_TRUE(!found || *found == table_values()) << bit;
    }
    EXPECT_GT(refused, 2000u);
  }
}

TEST_P(HostileTable, IsReadOrRefusedAndNothingElseWhateverBytesAreDamaged) {
  const std::string file = file_of([this](hid_t list) {
    if (!may_filter()) return;
    H5Pset_shuffle(list);
    H5Pset_deflate(list, 4);
  });
  std::mt19937 random(7);
  std::size_t refused = 0;
  constexpr std::size_t kTurns = 4000;
  for (std::size_t turn = 0; turn < kTurns; ++turn) {
    std::string damaged = file;
    for (std::size_t i = 0; i <= turn % 3; ++i)
      damaged[random() % damaged.size()] = static_cast<char>(random() % 4 == 0 ? 0xFF : random());
    refused += read_or_refuse(damaged) ? 0 : 1;
  }
  EXPECT_GT(refused, kTurns / 20);
  EXPECT_LT(refused, kTurns);
}

INSTANTIATE_TEST_SUITE_P(Of, HostileTable, ::testing::ValuesIn(table_forms()),
                         [](const auto& info) { return std::string(info.param.name); });

// Chunks as a hostile writer would put them: the index is sound, the bytes are not.
std::string file_with_chunk(std::uint64_t elements, const std::function<void(hid_t)>& filters,
                            const std::string& chunk) {
  const TempDir dir;
  {
    testing::Hdf5Writer writer(dir / "a.h5");
    const hsize_t dims = elements;
    const hid_t creation = testing::chunked({dims}, false);
    filters(creation);
    const hid_t space = H5Screate_simple(1, &dims, nullptr);
    const hid_t data =
        H5Dcreate2(writer.file(), "x", H5T_STD_I32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    const hsize_t first = 0;
    testing::Hdf5Writer::must(H5Dwrite_chunk(data, H5P_DEFAULT, 0, &first, chunk.size(), chunk.data()));
    H5Dclose(data);
    H5Sclose(space);
    H5Pclose(creation);
  }
  return read_file(dir / "a.h5");
}

std::string refusal_of(const std::string& file) {
  try {
    const Hdf5Table table(bytes_of(file), "x");
    std::vector<std::int32_t> row(1);
    table.read_rows(0, std::as_writable_bytes(std::span(row)));
    return "";
  } catch (const Fault& fault) {
    return fault.what();
  }
}

TEST(HostileChunks, AreRefusedBeforeTheyAreUnpackedToMoreThanTheyCanHold) {
  const auto gzip = [](hid_t list) { H5Pset_deflate(list, 4); };
  EXPECT_THAT(refusal_of(file_with_chunk(1 << 18, gzip, std::string(900, 'x'))),
              ::testing::HasSubstr("a chunk of 1048576 bytes cannot come of 900"));
  EXPECT_THAT(refusal_of(file_with_chunk(1 << 24, gzip, std::string(900, 'x'))),
              ::testing::HasSubstr("claims 16777216 rows in 1 chunks, 0 are in its file"));
}

TEST(HostileChunks, AreRefusedWhereTheyAreShorterLongerOrNoSuchStream) {
  const auto gzip = [](hid_t list) { H5Pset_deflate(list, 4); };
  const auto fletcher = [](hid_t list) { H5Pset_fletcher32(list); };
  const std::string eight_zeros{"\x78\xda\x63\x60\x80\x00\x00\x00\x08\x00\x01", 11};
  EXPECT_EQ(refusal_of(file_with_chunk(2, gzip, eight_zeros)), "");
  EXPECT_THAT(refusal_of(file_with_chunk(1, gzip, eight_zeros)), ::testing::HasSubstr("do not unpack"));
  EXPECT_THAT(refusal_of(file_with_chunk(3, gzip, eight_zeros)), ::testing::HasSubstr("do not unpack"));
  EXPECT_THAT(refusal_of(file_with_chunk(2, gzip, "no stream at all")), ::testing::HasSubstr("no stream"));
  std::string other_sum = eight_zeros;
  other_sum.back() = '\7';
  EXPECT_THAT(refusal_of(file_with_chunk(2, gzip, other_sum)), ::testing::HasSubstr("checksum"));
  EXPECT_THAT(refusal_of(file_with_chunk(2, fletcher, std::string(12, 'x'))),
              ::testing::HasSubstr("checksum"));
  EXPECT_THAT(refusal_of(file_with_chunk(2, fletcher, "xx")), ::testing::HasSubstr("cannot come of 2"));
}

}  // namespace
}  // namespace lockstep
