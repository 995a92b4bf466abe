// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <deque>

#include "base/aligned_block.h"
#include "base/page_cache.h"
#include "checkpoint/damage.h"
#include "shelf/sharded_save.h"
#include "support/faulty_disk.h"
#include "support/forwarding_disk.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

// Candidates for a restore that compares digests while it reads.
class Restore : public ::testing::Test {
 protected:
  void SetUp() override {
    CheckpointStore writer = store();
    for (const std::int64_t step : {1, 2}) save_sharded(writer, splittable_state(step).state, 2);
  }
  CheckpointStore store() { return {dir_, {}, real_disk(), log_.sink()}; }
  void flip(const std::string& file) {
    std::string bytes = slurp(newest_ + "/" + file);
    bytes[bytes.size() / 2] ^= 1;
    spill(newest_ + "/" + file, bytes);
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  std::string newest_ = dir_ + "/step-00000002";
  EventLog log_;
};

// What a later part keeps beside the training state: read past, but never unchecked.
TEST_F(Restore, PassesOverTensorsOfTheOpenPartButComparesTheirBytes) {
  OwnedState kept = splittable_state(3);
  OwnedState known = splittable_state(3);
  kept.add_tensor({"", "of a later part", "mine"}, DType::kFloat64, {3000});
  store().save(kept.state, false);
  const std::string directory = dir_ + "/step-00000003";
  const auto reader = CheckpointReader::open(real_disk(), directory);
  expect_reads_back(*reader, known);
  const auto& tensors = reader->manifest().tensors;
  ASSERT_EQ(tensors.front().key.path(), "extra/mine/of a later part");
  std::string bytes = slurp(directory + "/checkpoint.h5");
  bytes[tensors.front().pieces.front().offset + 8] ^= 1;
  spill(directory + "/checkpoint.h5", bytes);
  const auto places = known.blank();
  EXPECT_THROW(CheckpointReader::open(real_disk(), directory)->read(places, true), CheckpointDamage);
}

TEST_F(Restore, GoesOnToTheNextCandidateOnceOneIsRefused) {
  flip("shard-00001-of-00002.h5");
  CheckpointStore checkpoints = store();
  OwnedState owned = splittable_state(1);
  const auto places = owned.blank();
  const auto newest = checkpoints.open_newest();
  ASSERT_EQ(newest->record().step, Step{2});
  bool refused = false;
  try {
    newest->read(places, true);
  } catch (const CheckpointDamage& damage) {
    refused = true;
    checkpoints.refuse(*newest, damage);
  }
  ASSERT_TRUE(refused);
  EXPECT_EQ(log_.last("checkpoint_refused").at("file"), "shard-00001-of-00002.h5");
  EXPECT_TRUE(fs::exists(newest_ + ".bad"));
  // Whatever the damaged one left in its places is written over.
  const auto older = checkpoints.open_newest();
  ASSERT_EQ(older->record().step, Step{1});
  older->read(places, true);
  checkpoints.accept(*older);
  for (std::size_t i = 0; i < places.size(); ++i)
    EXPECT_TRUE(
        std::equal(places[i].bytes.begin(), places[i].bytes.end(), owned.state.tensors[i].bytes.begin()));
}

TEST_F(Restore, EndsWhereTheLastCandidateIsRefused) {
  CheckpointStore checkpoints = store();
  for (int left = 2; left > 0; --left) {
    const auto candidate = checkpoints.open_newest();
    checkpoints.refuse(*candidate, Fault(ExitCode::kNoValidCheckpoint, "rank 1 read other bytes"));
  }
  EXPECT_EQ(log_.count("checkpoint_refused"), 2u);
  EXPECT_THAT(log_.last("checkpoint_refused").at("reason"), HasSubstr("rank 1"));
  EXPECT_EQ(code_of([&] { checkpoints.open_newest(); }), ExitCode::kNoValidCheckpoint);
}

TEST_F(Restore, ComparesEveryFileAlsoWhereNoTensorLies) {
  flip("index.h5");
  OwnedState owned = splittable_state(2);
  std::string message;
  EXPECT_EQ(code_of([&] { store().open_newest()->read(owned.blank(), true); }, &message),
            ExitCode::kNoValidCheckpoint);
  EXPECT_THAT(message, HasSubstr("index.h5"));
}

TEST_F(Restore, GivesTheSameBytesWithAnyNumberOfThreads) {
  OwnedState owned = splittable_state(2);
  const auto reader = store().open_newest();
  for (const int threads : {1, 2, 7}) {
    const auto places = owned.blank();
    reader->read(places, true, {threads});
    reader->verify(threads);
    for (std::size_t i = 0; i < places.size(); ++i)
      EXPECT_TRUE(
          std::equal(places[i].bytes.begin(), places[i].bytes.end(), owned.state.tensors[i].bytes.begin()));
  }
}

// A disk that counts how its files are opened.
class OpeningsDisk : public ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;
  std::unique_ptr<ReadableFile> open_direct(const std::string& path) override {
    ++direct;
    return inner_.open_direct(path);
  }
  int direct = 0;
};

// Leaves that share a read, leaves longer than any read, and places on a page and off it.
class LargeRestore : public ::testing::Test {
 protected:
  LargeRestore() : owned_(3) {
    owned_.add_tensor({"", "many.leaves"}, DType::kFloat32, {3'000, 1'001});
    owned_.add_tensor({"", "long.leaves"}, DType::kFloat32, {3, 1'500'001});
    CheckpointStore(folder_.path(), {}, real_disk(), [](const auto&, const auto&) {
    }).save(owned_.state, false);
  }
  bool is_cached() const { return is_mostly_cached(path_ + "/checkpoint.h5"); }
  void expect_restored(OpeningsDisk& disk, const ReadOptions& reading) {
    const auto reader = CheckpointReader::open(disk, path_);
    std::vector<MutableStateTensor> places = owned_.blank();
    std::deque<AlignedBlock> pages;
    for (MutableStateTensor& place : places)
      if (place.key.name.ends_with(".leaves"))
        place.bytes = pages.emplace_back(place.bytes.size()).bytes().first(place.bytes.size());
    reader->read(places, true, reading);
    for (std::size_t i = 0; i < places.size(); ++i)
      EXPECT_TRUE(
          std::equal(places[i].bytes.begin(), places[i].bytes.end(), owned_.state.tensors[i].bytes.begin()))
          << places[i].key.path();
  }

  testing::TempDir folder_;  // on a disk: a ScratchFolder may be in memory
  OwnedState owned_;
  std::string path_ = folder_ / "step-00000003";
};

TEST_F(LargeRestore, ReadsAroundThePageCacheWhatIsNotThereAndThroughItWhatIs) {
  slurp(path_ + "/checkpoint.h5");
  EXPECT_TRUE(is_cached());
  OpeningsDisk disk(real_disk());
  expect_restored(disk, {});
  EXPECT_EQ(disk.direct, 0);

  real_disk().open_direct(path_ + "/checkpoint.h5");
  if (is_cached()) GTEST_SKIP() << "this file system keeps its files in memory";
  expect_restored(disk, {2, /*alone=*/false});
  EXPECT_EQ(disk.direct, 0);
  EXPECT_TRUE(is_cached());

  real_disk().open_direct(path_ + "/checkpoint.h5");
  for (const int threads : {1, 2, 5}) expect_restored(disk, {threads});
  EXPECT_EQ(disk.direct, 3);
  EXPECT_FALSE(is_cached());
}

// Each read is tried once more, so one that fails for ever is needed, in whichever thread it comes.
TEST_F(Restore, HandsAReadErrorOfAnyThreadToTheCaller) {
  OwnedState owned = splittable_state(2);
  std::int64_t injected = 0;
  for (std::int64_t k = 1; k <= 6; ++k) {
    FaultyDisk disk(real_disk());
    const auto reader = CheckpointReader::open(disk, newest_);
    disk.arm({.fail_at = k, .for_ever = true, .error = EIO, .only = "read"});
    EXPECT_EQ(code_of([&] { reader->read(owned.blank(), true, {3}); }), ExitCode::kStorage);
    injected += disk.injections() > 0 ? 1 : 0;
    disk.arm({.fail_at = k, .error = EIO, .only = "read"});
    EXPECT_EQ(code_of([&] { reader->read(owned.blank(), true, {3}); }), ExitCode::kDone);
  }
  EXPECT_EQ(injected, 6);
}

}  // namespace
}  // namespace lockstep
