// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "exchange/python_files.h"
#include "untrusted/zip_directory.h"

namespace lockstep {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string one_tensor() {
  return PickleText().tensor("0", 4, {4}, {1}).stop();
}

Bytes good_file() {
  return pth_with(one_tensor(), {{"0", std::string(16, 'x')}});
}

std::size_t place_of(const Bytes& bytes, const std::string& text, std::size_t from = 0) {
  const auto* first = reinterpret_cast<const char*>(bytes.data());
  const std::size_t found = std::string_view(first, bytes.size()).find(text, from);
  EXPECT_NE(found, std::string::npos) << text;
  return found;
}

// The header of `name` in the directory.
std::size_t central_of(const Bytes& bytes, const std::string& name) {
  std::size_t at = place_of(bytes, "PK\x01\x02");
  while (std::string(reinterpret_cast<const char*>(bytes.data()) + at + 46, name.size()) != name)
    at = place_of(bytes, "PK\x01\x02", at + 4);
  return at;
}

void put(Bytes& bytes, std::size_t at, std::uint64_t value, int count) {
  for (int i = 0; i < count; ++i)
    bytes[at + static_cast<std::size_t>(i)] = static_cast<std::byte>(value >> (8 * i));
}

std::string refusal_of(const Bytes& bytes) {
  return refusal([&] { contents_of(*open_pth(bytes)); });
}

TEST(HostileZip, TheFileTheTricksStartFromIsGood) {
  EXPECT_EQ(contents_of(*open_pth(good_file())).at("tensor"), Bytes(16, std::byte{'x'}));
}

TEST(HostileZip, EncryptionAndCompressionAreRefused) {
  Bytes bytes = good_file();
  put(bytes, central_of(bytes, "any name/data/0") + 8, 1, 2);
  EXPECT_THAT(refusal_of(bytes), HasSubstr("encrypted"));
  bytes = good_file();
  put(bytes, central_of(bytes, "any name/data/0") + 10, 8, 2);
  EXPECT_THAT(refusal_of(bytes), HasSubstr("compressed"));
}

TEST(HostileZip, LocalHeadersThatSayAnotherThingAreRefused) {
  for (const std::size_t field : {6u, 8u, 14u, 18u, 22u, 31u}) {
    Bytes bytes = good_file();
    const std::size_t local = place_of(bytes, "any name/data/0") - 30;
    bytes[local + field] ^= std::byte{1};
    EXPECT_THAT(refusal_of(bytes), HasSubstr("different things")) << field;
  }
}

TEST(HostileZip, SizesBeyondTheFileAndOverlapsAreRefused) {
  for (const std::uint64_t size : {std::uint64_t{17 + 64}, std::uint64_t{0x7FFFFFFF}}) {
    Bytes bytes = good_file();
    const std::size_t central = central_of(bytes, "any name/data/0");
    const std::size_t local = place_of(bytes, "any name/data/0") - 30;
    for (const std::size_t at : {central + 20, central + 24, local + 18, local + 22}) put(bytes, at, size, 4);
    EXPECT_THAT(refusal_of(bytes), HasSubstr("reaches into what follows"));
  }
  Bytes bytes = good_file();
  // Two entries over one header.
  put(bytes, central_of(bytes, "any name/version") + 42, place_of(bytes, "any name/data/0") - 30, 4);
  EXPECT_THAT(refusal_of(bytes), AnyOf(HasSubstr("different things"), HasSubstr("ends in the middle")));
  bytes = good_file();
  put(bytes, central_of(bytes, "any name/data/0") + 42, 0xFFFFFFF0, 4);
  EXPECT_THAT(refusal_of(bytes), HasSubstr("in front of the directory"));
}

TEST(HostileZip, NamesThatAreThereTwiceAreRefused) {
  MemoryFile file;
  ZipWriter zip(file);
  zip.add("f/data.pkl", one_tensor());
  zip.add("f/data.pkl", one_tensor());
  zip.finish();
  EXPECT_THAT(refusal_of(file.bytes()), HasSubstr("there twice"));
  MemoryFile two;
  ZipWriter other(two);
  other.add("f/data.pkl", one_tensor());
  other.add("g/data.pkl", one_tensor());
  other.finish();
  EXPECT_THAT(refusal_of(two.bytes()), HasSubstr("more than one data.pkl"));
}

TEST(HostileZip, ADirectoryThatIsNotInItsPlaceIsRefused) {
  Bytes bytes = good_file();
  bytes.insert(bytes.end() - 22, 10, std::byte{0});
  EXPECT_THAT(refusal_of(bytes), AnyOf(HasSubstr("end record"), HasSubstr("does not end")));
  bytes = good_file();
  bytes.push_back(std::byte{0});
  EXPECT_THAT(refusal_of(bytes), HasSubstr("no end record"));
  bytes = good_file();
  bytes.resize(bytes.size() / 2);
  EXPECT_THAT(refusal_of(bytes), HasSubstr("no end record"));
  for (const std::size_t back : {14u, 12u, 10u, 6u, 50u, 60u, 66u}) {
    bytes = good_file();
    bytes[bytes.size() - back] ^= std::byte{0x40};
    EXPECT_FALSE(refusal_of(bytes).empty()) << back;
  }
}

TEST(HostileZip, BigEndianFilesAndArchivesOfOtherKindsAreRefused) {
  EXPECT_THAT(refusal_of(pth_with(one_tensor(), {{"0", std::string(16, 'x')}}, "big")),
              HasSubstr("little-endian"));
  MemoryFile file;
  ZipWriter zip(file);
  zip.add("f/data.pkl", one_tensor());
  zip.add("f/constants.pkl", one_tensor());
  zip.finish();
  EXPECT_THAT(refusal_of(file.bytes()), HasSubstr("TorchScript"));
  MemoryFile none;
  ZipWriter nothing(none);
  nothing.add("readme", "hello");
  nothing.finish();
  EXPECT_THAT(refusal_of(none.bytes()), HasSubstr("without data.pkl"));
  Bytes tar(1024, std::byte{0});
  std::memcpy(tar.data() + 257, "ustar", 5);
  EXPECT_THAT(refusal_of(tar), HasSubstr("tar layout"));
}

TEST(HostileZip, DamagedPayloadIsNoticedWithoutASingleLoadOfIt) {
  Bytes bytes = good_file();
  bytes[place_of(bytes, "xxxxxxxx") + 3] = std::byte{'y'};
  EXPECT_THAT(refusal_of(bytes), HasSubstr("checksum"));
}

TEST(HostileZip, WideNumbersReadLikeNarrowOnes) {
  MemoryFile narrow, wide;
  for (MemoryFile* file : {&narrow, &wide}) {
    ZipWriter zip(*file, file == &wide ? 8 : 0xFFFFFFFF);
    zip.add("f/data.pkl", one_tensor());
    zip.add("f/byteorder", "little");
    zip.add("f/data/0", std::string(16, 'x'));
    zip.finish();
  }
  EXPECT_NE(narrow.bytes(), wide.bytes());
  EXPECT_EQ(contents_of(*open_pth(wide.bytes())), contents_of(*open_pth(narrow.bytes())));
  const std::vector<ZipEntry> entries = read_zip_directory(wide, "wide");
  ASSERT_EQ(entries.size(), 3u);
  for (const ZipEntry& entry : entries) EXPECT_EQ(entry.offset % 64, 0u);
}

}  // namespace
}  // namespace lockstep
