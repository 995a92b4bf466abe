// SPDX-License-Identifier: Apache-2.0
#include "data/joined_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "data/data_files.h"

namespace lockstep {
namespace {

using testing::expect_fault;
using testing::TempDir;
using testing::write_file;

std::string text_of(const JoinedFiles& files, std::uint64_t offset, std::size_t bytes) {
  std::string text(bytes, '?');
  files.copy(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

TEST(JoinedFiles, CopyCrossesBordersEmptyFilesAndHeaders) {
  const TempDir dir;
  write_file(dir / "a", "HHabc");
  write_file(dir / "b", "");
  write_file(dir / "c", "d");
  write_file(dir / "d", "H");
  write_file(dir / "e", "efg");
  JoinedFiles files;
  files.append(MappedFile(dir / "a"), 2);
  files.append(MappedFile(dir / "b"));
  files.append(MappedFile(dir / "c"));
  files.append(MappedFile(dir / "d"), 1);
  files.append(MappedFile(dir / "e"));
  const std::string whole = "abcdefg";
  ASSERT_EQ(files.size(), whole.size());
  for (std::size_t first = 0; first <= whole.size(); ++first)
    for (std::size_t count = 0; first + count <= whole.size(); ++count)
      ASSERT_EQ(text_of(files, first, count), whole.substr(first, count));
  EXPECT_THROW(text_of(files, 5, 3), Bug);
  EXPECT_THROW(text_of(files, 8, 0), Bug);
}

TEST(JoinedFiles, EveryFileOfAManyFileFolderIsCheckedInTurn) {
  const TempDir dir;
  JoinedFiles files;
  for (int i = 0; i < 600; ++i) {
    const std::string path = dir / ("f" + std::to_string(i));
    write_file(path, "x");
    files.append(MappedFile(path));
  }
  write_file(dir / "f599", "longer");
  files.check_unchanged();  // looks at 0 to 255
  files.check_unchanged();  // 256 to 511
  expect_fault(ExitCode::kInputMissing, "f599: changed", [&] { files.check_unchanged(); });
}

Digest fingerprint_of(const std::string& path) {
  JoinedFiles files;
  files.append(MappedFile(path));
  return files.fingerprint();
}

void write_sparse(const std::string& path, std::uint64_t bytes, std::uint64_t at, char value) {
  write_file(path, "");
  ASSERT_EQ(::truncate(path.c_str(), static_cast<off_t>(bytes)), 0);
  FILE* file = std::fopen(path.c_str(), "r+b");
  std::fseek(file, static_cast<long>(at), SEEK_SET);
  std::fputc(value, file);
  std::fclose(file);
}

TEST(JoinedFiles, FingerprintIsOfTheContentAlone) {
  const TempDir dir;
  write_file(dir / "a", "hello");
  write_file(dir / "b", "hello");
  write_file(dir / "c", "hellp");
  EXPECT_EQ(fingerprint_of(dir / "a"), fingerprint_of(dir / "b"));
  EXPECT_NE(fingerprint_of(dir / "a"), fingerprint_of(dir / "c"));
  const Digest before = fingerprint_of(dir / "a");
  ::utimensat(AT_FDCWD, (dir / "a").c_str(), nullptr, 0);
  EXPECT_EQ(fingerprint_of(dir / "a"), before);
}

TEST(JoinedFiles, FingerprintSamplesLargeFilesAtBothEndsAndBetween) {
  const TempDir dir;
  constexpr std::uint64_t kBytes = (300u << 20) + 17;
  write_sparse(dir / "zero", kBytes, 0, 0);
  const Digest zero = fingerprint_of(dir / "zero");
  constexpr std::uint64_t kSpaced = (kBytes - (1u << 20)) / 65;
  for (const std::uint64_t at : {std::uint64_t{5}, kBytes - 1, kSpaced, kSpaced * 64}) {
    write_sparse(dir / "one", kBytes, at, 1);
    EXPECT_NE(fingerprint_of(dir / "one"), zero) << at;
  }
  write_sparse(dir / "one", kBytes + 1, 0, 0);
  EXPECT_NE(fingerprint_of(dir / "one"), zero);
}

}  // namespace
}  // namespace lockstep
