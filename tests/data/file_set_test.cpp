// SPDX-License-Identifier: Apache-2.0
#include "data/file_set.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "data/data_files.h"

namespace lockstep {
namespace {

using testing::expect_fault;
using testing::TempDir;
using testing::write_file;
using Names = std::vector<std::string>;

void put(const std::string& path) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  write_file(path, path);
}

Names names_in(const FileSet& set) {
  Names names;
  for (const FoundFile& file : set.files) names.push_back(file.name);
  return names;
}

TEST(FileSet, ListsAFolderInByteOrderOfTheRelativePath) {
  const TempDir dir;
  for (const char* name : {"x/a/z", "x/a.h", "x/B/y", "x/b", "x/\xc3\xa4", "x/\xff\xfe"}) put(dir / name);
  const Names expected = {"B/y", "a.h", "a/z", "b", "\xc3\xa4", "\xff\xfe"};
  EXPECT_EQ(names_in(find_files({dir / "x"})), expected);
  EXPECT_EQ(names_in(find_files({dir / "x/"})), expected);
  EXPECT_EQ(find_files({dir / "x/"}).files.at(1).path, dir / "x/a.h");
  EXPECT_EQ(names_in(find_files({dir / "x/b", dir / "x"})).at(1), "x/B/y");
}

TEST(FileSet, LeavesOutWhatEditorsSystemsAndNotebooksLeaveBehind) {
  const TempDir dir;
  const Names data = {"a.txt", "b#1", "c~d", "notes.bak", "sub/#x", "x.y.txt"};
  for (const std::string& name : data) put(dir / name);
  for (const char* name : {".DS_Store", "sub/.DS_Store", "._a.txt", ".a.txt.swp", ".git/HEAD",
                           ".ipynb_checkpoints/a-checkpoint.txt", ".hidden/deep/a.txt", ".#lock"})
    put(dir / name);
  for (const char* name :
       {"Thumbs.db", "desktop.ini", "a.txt~", "#a.txt#", "__pycache__/a.pyc", "lost+found/1", "__MACOSX/._a",
        "sub/@eaDir/a.txt", "$RECYCLE.BIN/x", "~$report.docx", "System Volume Information/x"})
    put(dir / name);
  const FileSet set = find_files({dir.path()});
  EXPECT_EQ(names_in(set), data);
  EXPECT_EQ(set.left_out.at("hidden"), 8);
  EXPECT_EQ(set.left_out.at("of an editor or the system"), 11);
  EXPECT_EQ(describe(set), "6 files; left out: 8 hidden, 11 of an editor or the system");
}

TEST(FileSet, TakesWhatIsNamedWhateverItsNameIs) {
  const TempDir dir;
  put(dir / ".cache/.data/x");
  EXPECT_EQ(names_in(find_files({dir / ".cache/.data"})), Names{"x"});
  put(dir / ".a");
  const FileSet set = find_files({dir / ".a"});
  EXPECT_TRUE(set.files.at(0).named);
  EXPECT_TRUE(set.left_out.empty());
}

TEST(FileSet, FollowsLinksToFilesAndCountsThoseToFolders) {
  const TempDir dir;
  put(dir / "x/a");
  put(dir / "elsewhere/b");
  ASSERT_EQ(::symlink("..", (dir / "x/loop").c_str()), 0);
  ASSERT_EQ(::symlink("../elsewhere/b", (dir / "x/link").c_str()), 0);
  ASSERT_EQ(::mkfifo((dir / "x/fifo").c_str(), 0600), 0);
  const FileSet set = find_files({dir / "x"});
  EXPECT_EQ(names_in(set), (Names{"a", "link"}));
  EXPECT_EQ(set.left_out.at("a link to a folder"), 1);
  EXPECT_EQ(set.left_out.at("no regular file"), 1);
}

TEST(FileSet, LeavesOutRunDirectories) {
  const TempDir dir;
  for (const char* name : {"a", "runs/x/run.json", "runs/x/lock", "runs/x/log/rank-00000.log", "b/run.json"})
    put(dir / name);
  const FileSet set = find_files({dir.path()});
  EXPECT_EQ(names_in(set), (Names{"a", "b/run.json"}));
  EXPECT_EQ(set.left_out.at("a run directory"), 1);
}

TEST(FileSet, RefusesALinkToNothingAndAFolderWithoutData) {
  const TempDir dir;
  put(dir / "x/a");
  ASSERT_EQ(::symlink("nowhere", (dir / "x/gone").c_str()), 0);
  expect_fault(ExitCode::kInputMissing, "x/gone: is a link to a file that is not there",
               [&] { find_files({dir / "x"}); });
  put(dir / "y/.DS_Store");
  expect_fault(ExitCode::kInputMissing, "holds no file of data (0 files; left out: 1 hidden)",
               [&] { find_files({dir / "y"}); });
}

}  // namespace
}  // namespace lockstep
