// SPDX-License-Identifier: Apache-2.0
#include "shelf/sharded_save.h"

namespace lockstep {
namespace {

// A checkpoint in several files, written by threads that stand for ranks.
class Sharded : public ::testing::Test {
 protected:
  SaveReport save(const OwnedState& owned, int shards) {
    CheckpointStore store(dir_, {}, real_disk(), log_.sink());
    return save_sharded(store, owned.state, shards);
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  std::string checkpoint_ = dir_ + "/step-00000003";
  EventLog log_;
};

TEST_F(Sharded, ReadsBackTheSameStateWhateverTheNumberOfShards) {
  OwnedState owned = splittable_state(3);
  const Digest consolidated =
      CheckpointStore(scratch_ / "other", {}, real_disk(), log_.sink()).save(owned.state, false).state_hash;
  std::size_t split = 0;
  for (int shards = 1; shards <= 4; ++shards) {
    fs::remove_all(dir_);
    EXPECT_EQ(save(owned, shards).state_hash, consolidated);
    const auto reader = CheckpointReader::open(real_disk(), checkpoint_);
    reader->verify();
    EXPECT_EQ(reader->manifest().layout, kSharded);
    EXPECT_EQ(reader->state_hash(), consolidated);
    for (const ManifestTensor& tensor : reader->manifest().tensors) split += tensor.split() ? 1 : 0;
    expect_reads_back(*reader, owned);
  }
  EXPECT_GE(split, 3u);
}

TEST_F(Sharded, WritesValidFilesForShardsWithoutTensors) {
  OwnedState owned(3);
  std::erase_if(owned.state.tensors, [](const StateTensor& tensor) { return tensor.key.name != "scale"; });
  save(owned, 4);
  const auto reader = CheckpointReader::open(real_disk(), checkpoint_);
  reader->verify();
  for (const char* file : {"shard-00000-of-00004.h5", "shard-00003-of-00004.h5"})
    EXPECT_TRUE(fs::exists(checkpoint_ + "/" + file)) << file;
}

}  // namespace
}  // namespace lockstep
