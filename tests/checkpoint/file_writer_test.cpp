// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/file_writer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>

#include "base/aligned_block.h"
#include "checkpoint/digest.h"
#include "checkpoint/file_blocks.h"
#include "checkpoint/workers.h"
#include "shelf/fixture.h"
#include "support/faulty_disk.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;

constexpr std::size_t kMiB = 1u << 20;

// Sizes around every border: of a page, of what is aligned, of what goes out straight, of a block.
const std::vector<std::size_t> kSizes = {0,
                                         1,
                                         4095,
                                         4096,
                                         4097,
                                         65'535,
                                         65'536,
                                         65'537,
                                         kMiB - 1,
                                         kMiB,
                                         kMiB + 1,
                                         kBlockBytes - 1,
                                         kBlockBytes,
                                         kBlockBytes + 1,
                                         kBlockBytes + 4096,
                                         2 * kBlockBytes + 12'345};

// A plan of one tensor of bytes for each size, each `shift` bytes behind an aligned address.
class Planned {
 public:
  explicit Planned(const std::vector<std::size_t>& sizes, std::size_t shift = 0) {
    plan_.groups = {{"/", {{"text", std::string(300, 'x')}, {"step", std::int64_t{7}}}}, {"/model", {}}};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const std::size_t n = sizes[i];
      auto& memory = memory_.emplace_back(n + shift + 1);
      const auto bytes = memory.bytes().subspan(shift, n);
      for (std::size_t k = 0; k < n; ++k) bytes[k] = static_cast<std::byte>((k * 2654435761u >> 11) ^ i);
      const auto rows = static_cast<std::int64_t>(n);
      plan_.datasets.push_back({fmt::format("/model/t{:04}", i), DType::kUInt8, {rows}});
      payload_.push_back(bytes);
    }
  }

  FileContents contents() const { return {plan_, payload_}; }
  Hdf5Plan& plan() { return plan_; }

  // The file, put together in the simplest way there is.
  std::string file() const {
    const Hdf5Layout layout = lay_out(plan_);
    std::string out(layout.file_bytes, '?');
    const auto put = [&](std::uint64_t offset, std::span<const std::byte> bytes) {
      std::memcpy(out.data() + offset, bytes.data(), bytes.size());
    };
    for (const Hdf5MetadataRun& run : layout.metadata) put(run.offset, run.bytes);
    for (std::size_t i = 0; i < payload_.size(); ++i)
      if (!payload_[i].empty()) put(layout.offsets[i], payload_[i]);
    return out;
  }
  std::vector<Digest> leaves(std::size_t dataset) const {
    LeafDigester digester(plan_.datasets[dataset]);
    digester.update(payload_[dataset]);
    return digester.finish();
  }
  Digest metadata_digest() const {
    Hasher hasher;
    for (const Hdf5MetadataRun& run : lay_out(plan_).metadata) hasher.update(run.bytes);
    return hasher.digest();
  }

 private:
  Hdf5Plan plan_;
  std::deque<AlignedBlock> memory_;
  std::vector<std::span<const std::byte>> payload_;
};

void expect_written(const Planned& planned, const std::string& path, const WrittenFile& written) {
  const std::string expected = planned.file();
  EXPECT_TRUE(slurp(path) == expected) << path;
  EXPECT_EQ(written.bytes, expected.size());
  EXPECT_EQ(written.digest, planned.metadata_digest());
  for (std::size_t i = 0; i < written.datasets.size(); ++i)
    EXPECT_EQ(written.datasets[i].leaves, planned.leaves(i)) << i;
}

TEST(FileWriter, WritesTheSameBytesAroundThePageCacheAndThroughIt) {
  const TempDir folder;
  FaultyDisk pages(real_disk());
  pages.arm({.no_direct = true});
  int file = 0;
  for (const std::size_t shift : {std::size_t{0}, std::size_t{64}, std::size_t{4095}}) {
    const Planned planned(kSizes, shift);
    for (Disk* disk : {&real_disk(), static_cast<Disk*>(&pages)})
      for (const int writers : {1, 2, 5}) {
        SCOPED_TRACE(fmt::format("shift {} writers {}", shift, writers));
        const std::string path = folder / std::to_string(++file);
        expect_written(planned, path, write_hdf5_file(*disk, path, planned.contents(), {writers}));
      }
  }
}

TEST(FileWriter, WritesEachSizeAlone) {
  const TempDir folder;
  for (const std::size_t size : kSizes) {
    SCOPED_TRACE(size);
    const Planned planned({size});
    const std::string path = folder / std::to_string(size);
    expect_written(planned, path, write_hdf5_file(real_disk(), path, planned.contents(), {}));
  }
}

TEST(FileWriter, TakesLeavesThatAreKnownAsTheyAre) {
  const TempDir folder;
  const Planned planned({3 * kMiB, 0, 100});
  // Other digests than those of the bytes, so that one that was made again would show.
  std::vector<std::vector<Digest>> known = {std::vector<Digest>(12, Digest{1, 2}), {}, {Digest{3, 4}}};
  FileContents contents = planned.contents();
  contents.leaves = known;
  const WrittenFile written = write_hdf5_file(real_disk(), folder / "known", contents, {});
  EXPECT_TRUE(slurp(folder / "known") == planned.file());
  for (std::size_t i = 0; i < known.size(); ++i) EXPECT_EQ(written.datasets[i].leaves, known[i]) << i;

  known[0].pop_back();
  EXPECT_THROW(write_hdf5_file(real_disk(), folder / "one less", contents, {}), Bug);
  known.pop_back();
  contents.leaves = known;
  EXPECT_THROW(write_hdf5_file(real_disk(), folder / "of two", contents, {}), Bug);
}

TEST(FileWriter, CopiesNothingOfALargeAlignedTensorButItsTail) {
  const Planned planned({3 * kBlockBytes, kMiB + 5, 100});
  const Hdf5Layout layout = lay_out(planned.contents().plan);
  const auto segments = segments_of(layout, planned.contents().payload);
  std::uint64_t gathered = 0;
  std::uint64_t at = 0;
  for (const FileBlock& block : cut_into_blocks(segments, kDirectAlignment)) {
    EXPECT_EQ(block.offset, at);
    EXPECT_EQ(block.offset % kDirectAlignment, 0u);
    at = block.end();
    if (block.straight == nullptr) gathered += block.bytes;
  }
  EXPECT_EQ(at, layout.file_bytes);
  EXPECT_LT(gathered, 32u << 10);
}

TEST(FileWriter, EndsWithTheFaultWhicheverOperationOfManyWritersFails) {
  const TempDir folder;
  const Planned planned({5 * kBlockBytes, 3 * kMiB, 10, 2 * kBlockBytes + 3});
  std::int64_t operations = 0;
  for (const int error : {EIO, ENOSPC, EFBIG})
    for (const bool for_ever : {false, true})
      for (std::int64_t k = 1;; ++k) {
        FaultyDisk disk(real_disk());
        disk.arm({.fail_at = k, .for_ever = for_ever, .error = error, .short_write = true});
        const std::string path = folder / "f";
        remove_tree(real_disk(), path);
        const ExitCode code =
            code_of([&] { write_hdf5_file(disk, path, planned.contents(), {.writers = 3}); });
        if (disk.injections() == 0) {
          EXPECT_EQ(code, ExitCode::kDone);
          operations = k;
          break;
        }
        EXPECT_EQ(code, ExitCode::kStorage) << k;
      }
  EXPECT_GT(operations, 12);
}

TEST(FileWriter, FindsWithVerifyWhatADiskHasLost) {
  const TempDir folder;
  const Planned planned({kBlockBytes + 3, 3 * kMiB, 10, 80'000, 0, 500});
  std::int64_t found = 0;
  for (std::int64_t k = 1;; ++k) {
    FaultyDisk disk(real_disk());
    disk.arm({.fail_at = k, .lies = true, .only = "write"});
    const std::string path = folder / std::to_string(k);
    std::string message;
    const ExitCode code = code_of(
        [&] { write_hdf5_file(disk, path, planned.contents(), {.writers = 2, .verify = true}); }, &message);
    if (disk.injections() == 0) {
      EXPECT_EQ(code, ExitCode::kDone) << message;
      break;
    }
    EXPECT_EQ(code, ExitCode::kStorage) << k;
    EXPECT_THAT(message, HasSubstr("reads back other than it was written"));
    ++found;
    // Without it nobody would have known.
    FaultyDisk trusted(real_disk());
    trusted.arm({.fail_at = k, .lies = true, .only = "write"});
    EXPECT_EQ(code_of([&] { write_hdf5_file(trusted, path + "t", planned.contents(), {.writers = 2}); }),
              ExitCode::kDone);
    EXPECT_EQ(trusted.injections(), 1);
  }
  EXPECT_GE(found, 4);
}

TEST(FileWriter, VerifiesByReadingTheDiskAgainInFull) {
  const TempDir folder;
  const Planned planned({3 * kBlockBytes, kMiB, 70'000});
  FaultyDisk disk(real_disk());
  disk.arm({.only = "read"});
  expect_written(planned, folder / "f",
                 write_hdf5_file(disk, folder / "f", planned.contents(), {.writers = 2, .verify = true}));
  EXPECT_GE(disk.operations(), 4);
}

TEST(LayoutCache, GivesTheBytesOfAFreshLayoutAfterAnyChangeOfAttributes) {
  Planned planned({100, 70'000, 3});
  LayoutCache cache;
  const auto expect_fresh = [&] {
    cache.with_layout(planned.plan(), [&](const Hdf5Layout& kept) {
      const Hdf5Layout fresh = lay_out(planned.plan());
      EXPECT_EQ(kept.file_bytes, fresh.file_bytes);
      EXPECT_EQ(kept.offsets, fresh.offsets);
      ASSERT_EQ(kept.metadata.size(), fresh.metadata.size());
      for (std::size_t i = 0; i < fresh.metadata.size(); ++i) {
        EXPECT_EQ(kept.metadata[i].offset, fresh.metadata[i].offset);
        EXPECT_TRUE(kept.metadata[i].bytes == fresh.metadata[i].bytes) << "run " << i;
      }
    });
  };
  // Few attributes stand in a header, many in a heap, and large ones apart.
  auto& attributes = planned.plan().groups[1].attributes;
  for (int i = 0; i < 20; ++i) attributes.push_back({fmt::format("number{}", i), 0.5 * i});
  attributes.push_back({"large", std::string(200'000, 'a')});
  for (int save = 0; save < 4; ++save) {
    expect_fresh();
    for (int i = 0; i < 20; ++i) attributes[i].value = i + 0.1 * save;
    attributes.back().value = std::string(200'000, static_cast<char>('b' + save));
    planned.plan().groups[0].attributes = {{"text", std::string(300, static_cast<char>('A' + save))},
                                           {"step", std::int64_t{save}}};
  }
  EXPECT_EQ(cache.misses(), 1u);
}

TEST(LayoutCache, StartsAfreshWhenMoreThanAValueChanges) {
  Planned planned({100, 70'000});
  LayoutCache cache;
  std::size_t misses = 0;
  const auto expect_miss = [&](const char* what) {
    cache.with_layout(planned.plan(), [&](const Hdf5Layout& kept) {
      EXPECT_EQ(kept.file_bytes, lay_out(planned.plan()).file_bytes) << what;
    });
    EXPECT_EQ(cache.misses(), ++misses) << what;
  };
  expect_miss("the first");
  planned.plan().groups[0].attributes[0].value = std::string(301, 'x');
  expect_miss("a longer text");
  planned.plan().groups[0].attributes[1].value = 1.0;
  expect_miss("another type");
  planned.plan().groups[0].attributes.push_back({"more", 1.0});
  expect_miss("one more attribute");
  planned.plan().datasets[1].shape = {70'001};
  expect_miss("another shape");
  planned.plan().datasets[1].name = "/model/other";
  expect_miss("another name");
  planned.plan().groups.push_back({"/train", {}});
  expect_miss("one more group");
}

TEST(LayoutCache, KeepsTheLayoutsOfSavesThatTakeTurns) {
  Planned with({100});
  const Planned without({100});
  with.plan().groups[1].attributes.push_back({"metric.valid_loss", 1.0});
  LayoutCache cache;
  for (int turn = 0; turn < 3; ++turn)
    for (const Planned* planned : {static_cast<const Planned*>(&with), &without})
      cache.with_layout(planned->contents().plan, [](const Hdf5Layout&) {});
  EXPECT_EQ(cache.misses(), 2u);
}

TEST(ShareWork, HandsOutEachTicketOnceAndStopsAtTheFirstException) {
  std::array<std::atomic<int>, 100> taken{};
  share_work(taken.size(), 4, [&](Tickets& tickets) {
    while (const auto ticket = tickets.next()) ++taken[*ticket];
  });
  for (const auto& count : taken) EXPECT_EQ(count, 1);
  std::atomic<int> done = 0;
  EXPECT_THROW(share_work(1'000'000, 2,
                          [&](Tickets& tickets) {
                            while (const auto ticket = tickets.next()) {
                              if (*ticket == 10) throw Fault(ExitCode::kStorage, "the disk is gone");
                              ++done;
                            }
                          }),
               Fault);
  EXPECT_LT(done, 1'000'000);
}

}  // namespace
}  // namespace lockstep
