// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "checkpoint/damage.h"
#include "shelf/newest_whole.h"
#include "shelf/sharded_save.h"

namespace lockstep {
namespace {

// Two sharded checkpoints; the files of the newer one are taken away, swapped and replaced, and then it must
// never be used.
class ShardDamage : public ::testing::Test {
 protected:
  static constexpr int kShards = 4;

  void SetUp() override {
    for (const std::int64_t step : {1, 2}) {
      CheckpointStore writer = store();
      save_sharded(writer, splittable_state(step).state, kShards);
    }
    for (const std::string& name : real_disk().list(newest_)) good_[name] = slurp(newest_ + "/" + name);
    ASSERT_EQ(good_.size(), 6u);
  }
  CheckpointStore store() { return {dir_, {}, real_disk(), log_.sink()}; }

  // The newer checkpoint as it was written.
  void restore() {
    for (const std::string& name : real_disk().list(dir_))
      if (name.find(".bad") != std::string::npos) fs::remove_all(dir_ + "/" + name);
    fs::remove_all(newest_);
    fs::create_directories(newest_);
    for (const auto& [name, text] : good_) spill(newest_ + "/" + name, text);
    log_.events.clear();
  }
  void expect_refused(const std::string& file) {
    ++injected_;
    const auto reader = newest_whole(store());
    ASSERT_TRUE(reader);
    EXPECT_EQ(reader->record().step, Step{1}) << "the damaged one was used";
    ASSERT_EQ(log_.count("checkpoint_refused"), 1u);
    const auto& fields = log_.last("checkpoint_refused");
    EXPECT_EQ(fields.contains("file") ? fields.at("file") : "", file) << fields.at("reason");
  }
  static std::string shard(int number) { return fmt::format("shard-{:05}-of-{:05}.h5", number, kShards); }
  std::vector<std::string> payload() const { return {shard(0), shard(1), shard(2), shard(3), "index.h5"}; }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  std::string newest_ = dir_ + "/step-00000002";
  std::map<std::string, std::string> good_;
  EventLog log_;
  int injected_ = 0;
};

TEST_F(ShardDamage, RefusesACheckpointThatMissesAFile) {
  for (const std::string& file : payload()) {
    restore();
    ASSERT_TRUE(fs::remove(newest_ + "/" + file));
    expect_refused(file);
  }
  EXPECT_EQ(injected_, 5);
}

TEST_F(ShardDamage, RefusesAFileThatTheManifestDoesNotList) {
  for (const char* extra : {"shard-00004-of-00005.h5", "shard-00000-of-00002.h5", "checkpoint.h5"}) {
    restore();
    spill(newest_ + "/" + extra, good_[shard(0)]);
    expect_refused(extra);
  }
  EXPECT_EQ(injected_, 3);
}

TEST_F(ShardDamage, LeavesFilesOfPeopleAlone) {
  restore();
  spill(newest_ + "/notes.txt", "keep");
  EXPECT_EQ(newest_whole(store())->record().step, Step{2});
}

TEST_F(ShardDamage, RefusesSwappedShards) {
  for (int a = 0; a < kShards; ++a)
    for (int b = a + 1; b < kShards; ++b) {
      restore();
      spill(newest_ + "/" + shard(a), good_[shard(b)]);
      spill(newest_ + "/" + shard(b), good_[shard(a)]);
      expect_refused(shard(a));
    }
  EXPECT_EQ(injected_, 6);
}

TEST_F(ShardDamage, RefusesAShardOfAnotherStep) {
  for (const std::string& file : payload()) {
    restore();
    const std::string other = slurp(dir_ + "/step-00000001/" + file);
    ASSERT_EQ(other.size(), good_[file].size()) << "else its length alone would tell";
    spill(newest_ + "/" + file, other);
    expect_refused(file);
  }
  EXPECT_EQ(injected_, 5);
}

// The same tensors at the same step: only the run is another one.
TEST_F(ShardDamage, RefusesAShardOfAnotherRun) {
  OwnedState owned = splittable_state(2);
  owned.state.record.run_id = "run-other-here";
  ASSERT_EQ(owned.state.record.run_id.size(), splittable_state(2).state.record.run_id.size());
  CheckpointStore other(scratch_ / "other", {}, real_disk(), log_.sink());
  save_sharded(other, owned.state, kShards);
  for (const std::string& file : payload()) {
    restore();
    const std::string foreign = slurp(scratch_ / "other/step-00000002/" + file);
    ASSERT_EQ(foreign.size(), good_[file].size());
    ASSERT_NE(foreign, good_[file]);
    spill(newest_ + "/" + file, foreign);
    expect_refused(file);
  }
  EXPECT_EQ(injected_, 5);
}

TEST_F(ShardDamage, UsesAShardOfAnotherRunWithoutTheDigests) {
  restore();
  spill(newest_ + "/" + shard(1), slurp(dir_ + "/step-00000001/" + shard(1)));
  const ArmedPlan no_guard("nan@point=guard.skip_digest");
  EXPECT_EQ(newest_whole(store())->record().step, Step{2});
}

TEST_F(ShardDamage, RefusesFilesOfAnyOtherLength) {
  for (const auto& [file, bytes] : good_) {
    const std::size_t size = bytes.size();
    std::vector<std::size_t> lengths{0, 1, size - 1, size + 1};
    for (std::size_t at = 4096; at < size; at += size / 16 / 4096 * 4096 + 4096) lengths.push_back(at);
    for (const std::size_t length : lengths) {
      restore();
      fs::resize_file(newest_ + "/" + file, length);
      expect_refused(file);
    }
  }
  EXPECT_GT(injected_, 40);
}

// All of them, by the look that costs no read; the one above shows what comes of it.
TEST_F(ShardDamage, FindsEveryWrongLengthOfEveryFile) {
  restore();
  std::size_t cases = 0;
  for (const auto& [file, bytes] : good_) {
    for (const std::size_t length : wrong_lengths(bytes.size())) {
      fs::resize_file(newest_ + "/" + file, length);
      std::string named;
      try {
        CheckpointReader::open(real_disk(), newest_)->verify();
      } catch (const CheckpointDamage& damage) {
        named = damage.place().file;
      }
      ASSERT_EQ(named, file) << length;
      ++cases;
    }
    spill(newest_ + "/" + file, bytes);
  }
  EXPECT_GT(cases, 1000u);
  EXPECT_EQ(newest_whole(store())->record().step, Step{2}) << "every file is whole again";
}

TEST_F(ShardDamage, FindsFlippedBitsAndNamesFileAndTensor) {
  const Manifest manifest = parse_manifest(good_["manifest.json"], "m");
  int in_split = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    const std::string file = payload()[seed % 5];
    std::string bytes = good_[file];
    const std::uint64_t bit = mix_key({28, seed}) % (bytes.size() * 8);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    restore();
    spill(newest_ + "/" + file, bytes);
    expect_refused(file);
    std::string hit;
    for (const ManifestTensor& tensor : manifest.tensors)
      for (const ManifestPiece& piece : tensor.pieces)
        if (piece.file == file && bit / 8 >= piece.offset &&
            bit / 8 < piece.offset + byte_count(tensor, piece)) {
          hit = tensor.key.path();
          in_split += tensor.split() ? 1 : 0;
        }
    const auto& fields = log_.last("checkpoint_refused");
    EXPECT_EQ(fields.contains("tensor") ? fields.at("tensor") : "", hit);
  }
  EXPECT_GT(in_split, 20);
}

}  // namespace
}  // namespace lockstep
