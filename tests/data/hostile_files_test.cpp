// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdio>
#include <random>

#include "data/data_files.h"
#include "data/hdf5_files.h"

namespace lockstep {
namespace {

using testing::open_data;
using testing::read_file;
using testing::read_sample;
using testing::TempDir;
using testing::write_file;

// What became of a mutated file.
struct Outcomes {
  int refused = 0;
  int opened = 0;
};

std::string mutated(std::string bytes, std::mt19937& random) {
  const auto below = [&](std::size_t limit) { return random() % std::max<std::size_t>(limit, 1); };
  switch (below(5)) {
    case 0:
      return bytes.substr(0, below(bytes.size()));
    case 1:
      return bytes + std::string(1 + below(40), static_cast<char>(random()));
    case 2: {
      const std::size_t at = below(bytes.size());
      return bytes.replace(at, std::min<std::size_t>(8, bytes.size() - at), 8, below(2) != 0 ? '\xff' : '\0');
    }
    default:
      // Most of the meaning lies in the header.
      for (std::size_t i = 0; i <= below(4); ++i)
        bytes[below(below(2) != 0 ? std::min<std::size_t>(bytes.size(), 64) : bytes.size())] ^=
            static_cast<char>(1 << below(8));
      return bytes;
  }
}

// Opens `mutants` versions of the file and reads some of each that opens. Anything thrown but a Fault fails
// the test.
Outcomes attack(const DataOptions& options, const std::string& path, int mutants) {
  const std::string original = read_file(path);
  std::mt19937 random(20260101);
  Outcomes outcomes;
  for (int i = 0; i < mutants; ++i) {
    // A new file each time: some file systems flush one that is truncated and written again.
    std::remove(path.c_str());
    write_file(path, mutated(original, random));
    try {
      const auto dataset = open_data(options);
      ++outcomes.opened;
      for (const std::int64_t index : {std::int64_t{0}, dataset->size() / 2, dataset->size() - 1})
        read_sample(*dataset, index);
      (void)dataset->fingerprint();
    } catch (const Fault&) {
      ++outcomes.refused;
    }
  }
  write_file(path, original);
  return outcomes;
}

long peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// No file here is larger than 64 KiB: a peak that grows by much (sanitizers hold back 256 MiB) was allocated
// from a number in a damaged header.
void expect_harmless(const DataOptions& options, const std::string& path) {
  open_data(options);
  const long before = peak_kib();
  const Outcomes outcomes = attack(options, path, 2000);
  EXPECT_LT(peak_kib() - before, 512 * 1024);
  EXPECT_GT(outcomes.refused, 200);
  EXPECT_GT(outcomes.opened, 0);
}

TEST(HostileFiles, MutatedIdxImages) {
  const TempDir dir;
  write_file(dir / "images", testing::idx3(6, 4, 5));
  write_file(dir / "labels", testing::idx1(6));
  DataOptions options;
  options.type = "idx";
  options.train.inputs = dir / "images";
  options.train.labels = dir / "labels";
  expect_harmless(options, dir / "images");
  expect_harmless(options, dir / "labels");
}

TEST(HostileFiles, MutatedCifar10) {
  const TempDir dir;
  write_file(dir / "a.bin", testing::cifar(3));
  DataOptions options;
  options.type = "cifar10";
  options.train.paths = {dir / "a.bin"};
  expect_harmless(options, dir / "a.bin");
}

TEST(HostileFiles, MutatedTokens) {
  const TempDir dir;
  const std::vector<std::uint16_t> tokens(200, 5);
  DataOptions options;
  options.type = "tokens";
  options.train.paths = {dir / "t.bin"};
  options.context = 8;
  options.vocab = 256;
  write_file(dir / "t.bin", testing::raw(tokens));
  expect_harmless(options, dir / "t.bin");
  write_file(dir / "t.bin", testing::llmc_header(200) + testing::raw(tokens));
  expect_harmless(options, dir / "t.bin");
  write_file(dir / "t.bin", testing::npy("<u2", "(200,)", testing::raw(tokens)));
  expect_harmless(options, dir / "t.bin");
}

TEST(HostileFiles, MutatedHdf5) {
  const TempDir dir;
  {
    const std::vector<float> values(600, 1.5f);
    const std::vector<std::int32_t> labels(100, 3);
    testing::Hdf5Writer writer(dir / "a.h5");
    const hid_t creation = testing::chunked({16, 3}, true);
    writer.add("x", {100, 6}, H5T_NATIVE_FLOAT, values.data(), creation);
    writer.add("y", {100}, H5T_NATIVE_INT32, labels.data());
    H5Pclose(creation);
  }
  DataOptions options;
  options.type = "hdf5";
  options.train = {{dir / "a.h5"}, "/x", "/y"};
  expect_harmless(options, dir / "a.h5");
}

}  // namespace
}  // namespace lockstep
