// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"
#include "support/faulty_disk.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::read_file;
using testing::TempDir;
using testing::write_file;

template <class Call>
Fault fault_of(Call call) {
  try {
    call();
  } catch (const Fault& fault) {
    return fault;
  }
  ADD_FAILURE() << "no fault";
  return Fault(ExitCode::kDone, "");
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST(RealDisk, ReadsBackWhatWasWrittenAtAnyOffset) {
  const TempDir folder;
  const auto file = real_disk().create(folder / "f");
  file->write_at(4, bytes_of("world"));
  file->write_at(0, bytes_of("big "));
  file->sync();
  file->close();
  EXPECT_EQ(read_text(real_disk(), folder / "f"), "big world");
  std::string part(3, ' ');
  real_disk().open(folder / "f")->read_at(5, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ(part, "orl");
  EXPECT_EQ(real_disk().info(folder / "f")->bytes, 9u);
}

TEST(RealDisk, FileThatEndsEarlyIsRefusedWithTheNumbers) {
  const TempDir folder;
  write_file(folder / "f", "12345");
  const auto file = real_disk().open(folder / "f");
  std::string buffer(4, ' ');
  const Fault fault = fault_of([&] { file->read_at(3, std::as_writable_bytes(std::span(buffer))); });
  EXPECT_EQ(fault.code(), ExitCode::kNoValidCheckpoint);
  EXPECT_THAT(fault.fact(), HasSubstr(folder / "f: ends at byte 5, 2 more were expected"));
}

TEST(RealDisk, MissingFileIsMissingInput) {
  const TempDir folder;
  for (const std::string name : {"none", "none/below"}) {
    const Fault fault = fault_of([&] { real_disk().open(folder / name); });
    EXPECT_EQ(fault.code(), ExitCode::kInputMissing);
    EXPECT_THAT(fault.what(), HasSubstr(folder / name + ": no such file. Check the path"));
  }
  EXPECT_FALSE(real_disk().info(folder / "none"));
}

TEST(RealDisk, LinkInPlaceOfAFileIsRefused) {
  const TempDir folder;
  write_file(folder / "target", "precious");
  ASSERT_EQ(::symlink((folder / "target").c_str(), (folder / "link").c_str()), 0);
  const Fault reading = fault_of([&] { real_disk().open(folder / "link"); });
  EXPECT_THAT(reading.what(), HasSubstr("Too many levels of symbolic links"));
  EXPECT_THAT(reading.remedy(), HasSubstr("A symbolic link"));
  const Fault writing = fault_of([&] { real_disk().append(folder / "link", "x"); });
  EXPECT_EQ(writing.code(), ExitCode::kStorage);
  EXPECT_EQ(fault_of([&] { real_disk().create(folder / "link"); }).code(), ExitCode::kStorage);
  EXPECT_EQ(fault_of([&] { real_disk().truncate(folder / "link", 0); }).code(), ExitCode::kStorage);
  EXPECT_EQ(read_file(folder / "target"), "precious");
}

TEST(RealDisk, FifoAndFolderAreNoFilesToRead) {
  const TempDir folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  real_disk().make_directory(folder / "dir");
  for (const std::string name : {"fifo", "dir"}) {
    const Fault fault = fault_of([&] { real_disk().open(folder / name); });
    EXPECT_EQ(fault.code(), ExitCode::kNoValidCheckpoint);
    EXPECT_THAT(fault.fact(), HasSubstr(folder / name + ": not a regular file"));
  }
}

TEST(RealDisk, WriteSideFaultsCarryPathErrnoTextAndRemedy) {
  const TempDir folder;
  const std::string path = folder / "no/such/folder";
  const std::vector<std::function<void()>> calls = {
      [&] { real_disk().create(path); },         [&] { real_disk().append(path, "x"); },
      [&] { real_disk().sync_file(path); },      [&] { real_disk().sync_directory(path); },
      [&] { real_disk().rename(path, path); },   [&] { real_disk().remove(path); },
      [&] { real_disk().make_directory(path); }, [&] { real_disk().truncate(path, 0); },
      [&] { real_disk().free_bytes(path); },
  };
  for (const auto& call : calls) {
    const Fault fault = fault_of(call);
    EXPECT_EQ(fault.code(), ExitCode::kStorage);
    EXPECT_THAT(fault.fact(), HasSubstr(path + ": "));
    EXPECT_THAT(fault.fact(), HasSubstr("failed: No such file or directory"));
    EXPECT_EQ(fault.remedy(), "Was it removed while the run was going on?");
  }
}

TEST(RealDisk, CreateNeverTakesAnExistingFile) {
  const TempDir folder;
  write_file(folder / "f", "old");
  EXPECT_THAT(fault_of([&] { real_disk().create(folder / "f"); }).fact(), HasSubstr("File exists"));
  EXPECT_EQ(read_file(folder / "f"), "old");
}

TEST(RealDisk, DeviceThatIsFullSaysSo) {
  const Fault fault = fault_of([&] { real_disk().append("/dev/full", "x"); });
  EXPECT_EQ(fault.code(), ExitCode::kStorage);
  EXPECT_THAT(fault.fact(), HasSubstr("/dev/full: append failed: No space left on device"));
  EXPECT_THAT(fault.remedy(), HasSubstr("The file system is full"));
}

TEST(RealDisk, ListsNamesInOrder) {
  const TempDir folder;
  for (const char* name : {"b", "a", ".c", "B"}) write_file(folder / name, "");
  EXPECT_THAT(real_disk().list(folder.path()), ElementsAre(".c", "B", "a", "b"));
}

TEST(RealDisk, FolderMayExistAlreadyButNotAsAFile) {
  const TempDir folder;
  make_directories(real_disk(), folder / "a/b/c");
  EXPECT_NO_THROW(make_directories(real_disk(), folder / "a/b/c"));
  EXPECT_TRUE(real_disk().info(folder / "a/b/c")->is_directory);
  write_file(folder / "file", "");
  EXPECT_THAT(fault_of([&] { real_disk().make_directory(folder / "file"); }).fact(),
              HasSubstr("Not a directory"));
}

TEST(Disk, AppendAddsAtTheEnd) {
  const TempDir folder;
  real_disk().append(folder / "f", "one\n");
  real_disk().append(folder / "f", "two\n");
  EXPECT_EQ(read_file(folder / "f"), "one\ntwo\n");
}

TEST(Disk, ReadTextRefusesMoreThanItsLimit) {
  const TempDir folder;
  write_file(folder / "f", "12345");
  EXPECT_EQ(read_text(real_disk(), folder / "f", 5), "12345");
  const Fault fault = fault_of([&] { read_text(real_disk(), folder / "f", 4); });
  EXPECT_EQ(fault.code(), ExitCode::kNoValidCheckpoint);
  EXPECT_THAT(fault.fact(), HasSubstr("5 bytes, at most 4"));
}

// The old text or the new one, whichever operation fails; and the next try goes through.
TEST(Disk, ReplaceTextIsAllOrNothingWhereverItFails) {
  const TempDir folder;
  std::int64_t injected = 0;
  for (std::int64_t k = 1;; ++k) {
    write_file(folder / "f", "old");
    FaultyDisk disk(real_disk());
    disk.arm({.fail_at = k, .for_ever = true, .short_write = true});
    bool failed = false;
    try {
      replace_text(disk, folder / "f", "new text");
    } catch (const Fault&) {
      failed = true;
    }
    injected += disk.injections() > 0;
    ASSERT_EQ(failed, disk.injections() > 0) << "operation " << k;
    const std::string text = read_file(folder / "f");
    EXPECT_TRUE(text == "old" || text == "new text") << "operation " << k << " left: " << text;
    if (!failed) break;
    replace_text(real_disk(), folder / "f", "next");
    EXPECT_EQ(read_file(folder / "f"), "next");
    EXPECT_FALSE(real_disk().info(folder / "f.part"));
  }
  EXPECT_GE(injected, 5);  // create, write, sync, rename, sync of the folder
}

TEST(Disk, RemoveTreeRemovesLinksAndNotWhatTheyPointTo) {
  const TempDir folder;
  write_file(folder / "kept", "");
  make_directories(real_disk(), folder / "tree/deep");
  write_file(folder / "tree/deep/f", "");
  ASSERT_EQ(::symlink(folder.path().c_str(), (folder / "tree/up").c_str()), 0);
  remove_tree(real_disk(), folder / "tree");
  EXPECT_FALSE(real_disk().info(folder / "tree"));
  EXPECT_TRUE(real_disk().info(folder / "kept"));
  EXPECT_NO_THROW(remove_tree(real_disk(), folder / "tree"));
}

}  // namespace
}  // namespace lockstep
