// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <numeric>

#include "base/aligned_block.h"
#include "base/whole_write.h"
#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::read_file;
using testing::TempDir;
using testing::write_file;

// A disk that does with each call what its script says, and keeps what arrives.
struct ScriptedDisk {
  std::vector<ssize_t> script;  // bytes taken, or -errno; then everything is taken
  std::string content;
  std::vector<std::pair<off_t, std::size_t>> calls;

  WriteCall call() {
    return [this](const void* bytes, std::size_t count, off_t offset) -> ssize_t {
      calls.emplace_back(offset, count);
      auto taken = static_cast<ssize_t>(count);
      if (!script.empty()) {
        taken = script.front();
        script.erase(script.begin());
      }
      if (taken < 0) {
        errno = static_cast<int>(-taken);
        return -1;
      }
      const auto end = static_cast<std::size_t>(offset + taken);
      content.resize(std::max(content.size(), end), '?');
      std::copy_n(static_cast<const char*>(bytes), taken, content.begin() + offset);
      return taken;
    };
  }
};

std::string text_of(std::size_t bytes) {
  std::string text(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + i * 7 % 23);
  return text;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST(WholeWrite, ContinuesAfterInterruptionsAndShortCounts) {
  ScriptedDisk disk{{-EINTR, 3, -EINTR, -EINTR, 1}, "", {}};
  const std::string text = text_of(10);
  EXPECT_EQ(write_whole(disk.call(), 2, bytes_of(text), 1), 0);
  EXPECT_EQ(disk.content, "??" + text);
  EXPECT_EQ(disk.calls.size(), 6u);
}

TEST(WholeWrite, ContinuesADirectWriteFromAMultipleOfTheAlignment) {
  ScriptedDisk disk{{4096 + 512}, "", {}};
  const std::string text = text_of(3 * 4096);
  EXPECT_EQ(write_whole(disk.call(), 8192, bytes_of(text), 4096), 0);
  EXPECT_EQ(disk.content.substr(8192), text);
  EXPECT_THAT(disk.calls, ElementsAre(std::pair<off_t, std::size_t>(8192, 3 * 4096),
                                      std::pair<off_t, std::size_t>(8192 + 4096, 2 * 4096)));
}

TEST(WholeWrite, EndsWithTheErrorOfADiskThatTakesNoMore) {
  for (const int error : {ENOSPC, EDQUOT, EIO, EFBIG, EINVAL}) {
    ScriptedDisk disk{{4, -error}, "", {}};
    EXPECT_EQ(write_whole(disk.call(), 0, bytes_of(text_of(10)), 1), error);
    EXPECT_EQ(disk.calls.size(), 2u);
  }
  ScriptedDisk nothing{{0}, "", {}};
  EXPECT_EQ(write_whole(nothing.call(), 0, bytes_of("x"), 1), EIO);
  ScriptedDisk less_than_a_block{{512}, "", {}};
  EXPECT_EQ(write_whole(less_than_a_block.call(), 0, bytes_of(text_of(4096)), 4096), EIO);
}

// On a real disk where the temporary folder is on one; in memory it is the page cache either way.
TEST(DirectFile, HoldsWhatWasWrittenAndHasTheLengthItWasGiven) {
  const TempDir folder;
  const auto file = real_disk().create_direct(folder / "f");
  AlignedBlock block(3 * kDirectAlignment);
  const std::string text = text_of(block.bytes().size());
  std::ranges::copy(bytes_of(text), block.bytes().begin());
  file->reserve(block.bytes().size());
  file->write_at(2 * kDirectAlignment, block.bytes().subspan(2 * kDirectAlignment));
  file->write_at(0, block.bytes().first(2 * kDirectAlignment));
  file->truncate(10'001);
  file->sync();
  file->close();
  EXPECT_EQ(read_file(folder / "f"), text.substr(0, 10'001));
}

TEST(DirectFile, GoesOnThroughThePageCacheAfterEinval) {
  const TempDir folder;
  const auto file = real_disk().create_direct(folder / "f");
  // What a file system answers that wants more than it said.
  const std::string text = text_of(777);
  file->write_at(5, bytes_of(text));
  EXPECT_EQ(read_file(folder / "f"), std::string(5, '\0') + text);
}

TEST(DirectFile, IsReadAtAnyPlaceAndOfAnyLength) {
  const TempDir folder;
  const std::string text = text_of(3'000'001);
  write_file(folder / "f", text);
  const auto file = real_disk().open_direct(folder / "f");
  ASSERT_EQ(file->size(), text.size());
  AlignedBlock block(text.size());
  for (const auto& [offset, shift, size] : std::vector<std::array<std::size_t, 3>>{{0, 0, 4096},
                                                                                   {0, 0, 3'000'001},
                                                                                   {4096, 0, 5},
                                                                                   {1, 0, 8192},
                                                                                   {0, 1, 8192},
                                                                                   {8192, 0, 100'000},
                                                                                   {2'999'999, 3, 2},
                                                                                   {4095, 7, 2'000'000}}) {
    const auto into = block.bytes().subspan(shift, size);
    file->read_at(offset, into);
    EXPECT_TRUE(std::ranges::equal(into, bytes_of(text).subspan(offset, size))) << offset << " " << size;
  }
  try {
    file->read_at(2'999'999, block.bytes().first(3));
    ADD_FAILURE() << "read beyond the end";
  } catch (const Fault& fault) {
    EXPECT_THAT(fault.fact(), HasSubstr("ends at byte 3000001, 1 more were expected"));
  }
}

TEST(DirectFile, LargerThanTheLimitIsAFaultThatSaysSo) {
  const TempDir folder;
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  const auto file = real_disk().create_direct(folder / "f");
  const struct rlimit small { 4 * kDirectAlignment, before.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  AlignedBlock block(8 * kDirectAlignment);
  std::ranges::fill(block.bytes(), std::byte{1});
  for (const auto& attempt : std::vector<std::function<void()>>{[&] { file->reserve(block.bytes().size()); },
                                                                [&] { file->write_at(0, block.bytes()); }}) {
    try {
      attempt();
      ADD_FAILURE() << "no fault";
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.code(), ExitCode::kStorage);
      EXPECT_THAT(fault.fact(), HasSubstr("File too large"));
      EXPECT_THAT(fault.remedy(), HasSubstr("ulimit"));
    }
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
}

}  // namespace
}  // namespace lockstep
