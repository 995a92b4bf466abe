// SPDX-License-Identifier: Apache-2.0
// F26: one bit of a checkpoint is another one.
#include "checkpoint/damage.h"
#include "shelf/sharded_save.h"

namespace lockstep {
namespace {

constexpr int kFlips = 5000;

class Flips : public ::testing::TestWithParam<int> {
 protected:
  // Rows enough that three shards cut the matrices.
  OwnedState owned_{7, 42, 170};
  ScratchFolder scratch_;
  EventLog log_;
  std::string folder_ = scratch_ / "ckpt/step-00000007";

  void SetUp() override {
    CheckpointStore store(scratch_ / "ckpt", {}, real_disk(), log_.sink());
    if (GetParam() == 0)
      store.save(owned_.state, false);
    else
      save_sharded(store, owned_.state, GetParam());
  }
  void flip(const std::string& file, std::uint64_t bit) {
    std::fstream bytes(folder_ + "/" + file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(static_cast<std::streamoff>(bit / 8));
    const int old = bytes.get();
    bytes.seekp(static_cast<std::streamoff>(bit / 8));
    bytes.put(static_cast<char>(old ^ (1 << (bit % 8))));
  }
  // The code a restore ends with, and whether it named the file.
  std::pair<ExitCode, bool> restore(const std::string& file) {
    try {
      const auto reader = CheckpointReader::open(real_disk(), folder_);
      reader->verify();
    } catch (const CheckpointDamage& damage) {
      return {damage.code(), damage.place().file == file};
    }
    return {ExitCode::kDone, false};
  }
};

TEST_P(Flips, AreAllFoundInTheRightFile) {
  const std::vector<std::string> files = real_disk().list(folder_);
  int found = 0;
  for (std::uint64_t seed = 0; seed < kFlips; ++seed) {
    const std::string& file = files[mix_key({26, seed}) % files.size()];
    const std::uint64_t bit = mix_key({27, seed}) % (real_disk().info(folder_ + "/" + file)->bytes * 8);
    flip(file, bit);
    const auto [code, named] = restore(file);
    flip(file, bit);
    ASSERT_EQ(code, ExitCode::kNoValidCheckpoint) << file << " bit " << bit;
    ASSERT_TRUE(named) << file << " bit " << bit;
    ++found;
  }
  EXPECT_EQ(found, kFlips);
  EXPECT_EQ(restore("").first, ExitCode::kDone) << "every flip was taken back";
}

INSTANTIATE_TEST_SUITE_P(Layouts, Flips, ::testing::Values(0, 3),
                         [](const auto& info) { return info.param == 0 ? "Consolidated" : "Sharded"; });

}  // namespace
}  // namespace lockstep
