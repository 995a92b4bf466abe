// SPDX-License-Identifier: Apache-2.0
#include "data/mapped_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <utility>

#include "data/data_files.h"

namespace lockstep {
namespace {

using testing::expect_fault;
using testing::TempDir;
using testing::write_file;

TEST(MappedFile, ShowsTheBytesOfTheFile) {
  const TempDir dir;
  write_file(dir / "a", "hello");
  MappedFile file(dir / "a");
  const MappedFile moved(std::move(file));
  ASSERT_EQ(moved.bytes().size(), 5u);
  EXPECT_EQ(std::to_integer<char>(moved.bytes()[4]), 'o');
  moved.check_unchanged();
}

TEST(MappedFile, TakesAFileOfLengthZero) {
  const TempDir dir;
  write_file(dir / "a", "");
  const MappedFile file(dir / "a");
  EXPECT_TRUE(file.bytes().empty());
  file.check_unchanged();
}

TEST(MappedFile, RefusesWhatIsNoRegularFile) {
  const TempDir dir;
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  expect_fault(ExitCode::kInputMissing, "is a folder", [&] { MappedFile file(dir.path()); });
  expect_fault(ExitCode::kInputMissing, "is not a regular file", [&] { MappedFile file(dir / "fifo"); });
  expect_fault(ExitCode::kInputMissing, dir / "none: cannot be opened (No such file",
               [&] { MappedFile file(dir / "none"); });
}

TEST(MappedFile, RefusesAFileThatChangedWhileOpen) {
  const TempDir dir;
  const std::string path = dir / "a";
  struct Change {
    const char* text;
    std::function<void()> make;
  };
  const std::vector<Change> changes = {
      {"5 bytes then, 6 now", [&] { write_file(path, "hello!"); }},
      {"5 bytes then, 2 now", [&] { write_file(path, "he"); }},
      {"written or replaced",
       [&] {
         write_file(path, "HELLO");
         const timespec times[2] = {{5, 0}, {5, 0}};
         ::utimensat(AT_FDCWD, path.c_str(), times, 0);
       }},
      {"written or replaced",
       [&] {
         // The same size and time, another file.
         write_file(dir / "b", "HELLO");
         struct stat info {};
         ::stat(path.c_str(), &info);
         const timespec times[2] = {info.st_mtim, info.st_mtim};
         ::utimensat(AT_FDCWD, (dir / "b").c_str(), times, 0);
         std::rename((dir / "b").c_str(), path.c_str());
       }},
      {"is gone", [&] { std::remove(path.c_str()); }},
  };
  int refused = 0;
  for (const Change& change : changes) {
    write_file(path, "hello");
    const MappedFile file(path);
    file.check_unchanged();
    change.make();
    expect_fault(ExitCode::kInputMissing, change.text, [&] { file.check_unchanged(); });
    ++refused;
  }
  EXPECT_EQ(refused, 5);
}

}  // namespace
}  // namespace lockstep
