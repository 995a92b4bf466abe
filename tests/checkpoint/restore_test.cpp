// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "checkpoint/damage.h"
#include "checkpoint/sharded_save.h"
#include "support/faulty_disk.h"

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
    reader->read(places, true, threads);
    reader->verify(threads);
    for (std::size_t i = 0; i < places.size(); ++i)
      EXPECT_TRUE(
          std::equal(places[i].bytes.begin(), places[i].bytes.end(), owned.state.tensors[i].bytes.begin()));
  }
}

// Each read is tried once more, so one that fails for ever is needed, in whichever thread it comes.
TEST_F(Restore, HandsAReadErrorOfAnyThreadToTheCaller) {
  OwnedState owned = splittable_state(2);
  std::int64_t injected = 0;
  for (std::int64_t k = 1; k <= 6; ++k) {
    FaultyDisk disk(real_disk());
    const auto reader = CheckpointReader::open(disk, newest_);
    disk.arm({.fail_at = k, .for_ever = true, .error = EIO, .only = "read"});
    EXPECT_EQ(code_of([&] { reader->read(owned.blank(), true, 3); }), ExitCode::kStorage);
    injected += disk.injections() > 0 ? 1 : 0;
    disk.arm({.fail_at = k, .error = EIO, .only = "read"});
    EXPECT_EQ(code_of([&] { reader->read(owned.blank(), true, 3); }), ExitCode::kDone);
  }
  EXPECT_EQ(injected, 6);
}

}  // namespace
}  // namespace lockstep
