// SPDX-License-Identifier: Apache-2.0
#include "shelf/convert.h"

#include <gmock/gmock.h>

#include "shelf/sharded_save.h"
#include "support/faulty_disk.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

class Convert : public ::testing::Test {
 protected:
  Convert() {
    CheckpointStore store(dir_, {}, real_disk(), log_.sink());
    owned_.state.record.metrics = {{"valid_loss", 0.5}};
    owned_.state.record.eval_modules = {"norm"};
    owned_.state.record.frozen = {"layers.0.bias"};
    owned_.state.record.extra = R"({"of a later part":{"list":[1,2.5]}})";
    owned_.add_tensor({"", "seen", "mine"}, DType::kInt64, {5});
    owned_.add_tensor({"", "table", "mine"}, DType::kFloat32, {200, 784});
    hash_ = store.save(owned_.state, false).state_hash;
  }
  std::unique_ptr<CheckpointReader> open(const std::string& path) {
    return CheckpointReader::open(real_disk(), path);
  }
  void expect_same_state(const std::string& path) {
    const auto reader = open(path);
    reader->verify();
    EXPECT_EQ(reader->state_hash(), hash_);
    EXPECT_EQ(reader->record().metrics, owned_.state.record.metrics);
    EXPECT_EQ(reader->record().eval_modules, owned_.state.record.eval_modules);
    EXPECT_EQ(reader->record().frozen, owned_.state.record.frozen);
    EXPECT_EQ(reader->record().extra, owned_.state.record.extra);
    EXPECT_EQ(reader->record().epoch_offset, 192);
    expect_reads_back(*reader, owned_);
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  std::string made_ = dir_ + "/step-00000003";
  OwnedState owned_ = splittable_state(3);
  Digest hash_;
  EventLog log_;
};

TEST_F(Convert, KeepsTheStateThroughEveryLayoutAndBack) {
  std::string from = made_;
  for (const int shards : {4, 2, 1, 7}) {
    const std::string to = scratch_ / ("in-" + std::to_string(shards));
    EXPECT_EQ(convert_checkpoint(real_disk(), *open(from), to, {kSharded, shards}).state_hash, hash_);
    EXPECT_TRUE(fs::exists(to + "/index.h5"));
    expect_same_state(to);
    from = to;
  }
  const std::string back = scratch_ / "back/step-00000003";
  convert_checkpoint(real_disk(), *open(from), back, {kConsolidated, 1});
  expect_same_state(back);
  EXPECT_EQ(slurp(back + "/checkpoint.h5"), slurp(made_ + "/checkpoint.h5"));
  EXPECT_EQ(slurp(back + "/manifest.json"), slurp(made_ + "/manifest.json"));
}

TEST_F(Convert, RefusesATargetThatIsThereOrClaimsAnotherStep) {
  const auto code = [&](const std::string& to) {
    return code_of([&] { convert_checkpoint(real_disk(), *open(made_), to, {kSharded, 2}); });
  };
  EXPECT_EQ(code(made_), ExitCode::kRunDirectory);
  EXPECT_EQ(code(scratch_ / "ckpt/"), ExitCode::kRunDirectory);
  EXPECT_EQ(code(scratch_ / "step-00000004"), ExitCode::kRunDirectory);
  EXPECT_EQ(code(scratch_ / ".hidden"), ExitCode::kRunDirectory);
  expect_same_state(made_);
}

TEST_F(Convert, RefusesADamagedCheckpoint) {
  std::string bytes = slurp(made_ + "/checkpoint.h5");
  bytes[bytes.size() / 2] ^= 1;
  spill(made_ + "/checkpoint.h5", bytes);
  std::string message;
  EXPECT_EQ(code_of(
                [&] {
                  convert_checkpoint(real_disk(), *open(made_), scratch_ / "to", {kSharded, 2});
                },
                &message),
            ExitCode::kNoValidCheckpoint);
  EXPECT_THAT(message, HasSubstr("checkpoint.h5"));
  EXPECT_FALSE(fs::exists(scratch_ / "to"));
}

TEST_F(Convert, LeavesNothingBehindWhicheverOperationFails) {
  std::int64_t injected = 0;
  for (std::int64_t k = 1;; ++k) {
    FaultyDisk disk(real_disk());
    const auto from = CheckpointReader::open(disk, made_);
    disk.arm({.fail_at = k, .error = ENOSPC});
    const std::string to = scratch_ / "to";
    const ExitCode code = code_of([&] { convert_checkpoint(disk, *from, to, {kSharded, 3}); });
    if (disk.injections() == 0) break;
    ++injected;
    if (fs::exists(to)) expect_same_state(to);
    // A read that works at the second try is no failure.
    EXPECT_TRUE(code == ExitCode::kStorage || (code == ExitCode::kDone && fs::exists(to))) << k;
    EXPECT_FALSE(fs::exists(scratch_ / ".staging-to")) << k;
    fs::remove_all(to);
  }
  EXPECT_GT(injected, 20);
}

}  // namespace
}  // namespace lockstep
