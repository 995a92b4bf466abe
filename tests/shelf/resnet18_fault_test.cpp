// SPDX-License-Identifier: Apache-2.0
// F2, F17 and F19 on the state of a real model: every operation of its save on the disk fails in turn.
#include <thread>

#include "checkpoint/shard_plan.h"
#include "shelf/fixture.h"
#include "shelf/newest_whole.h"
#include "shelf/resnet18_state.h"
#include "support/draw.h"
#include "support/faulty_disk.h"

namespace lockstep {
namespace {

const std::vector<std::string> kOperations = {
    "create", "reserve",        "write",  "truncate", "sync",           "close", "open",
    "read",   "sync_directory", "rename", "remove",   "make_directory", "list",  "info"};

// The k-th operation of a kind, and how it fails.
struct FailingOperation {
  std::string kind;
  std::int64_t k = 1;
  int error = EIO;
  bool for_ever = false;
};

// The number of shards; 0: one file.
class Resnet18Save : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    CheckpointStore healthy = store(real_disk());
    for (std::int64_t step = 1; step <= 2; ++step) save(healthy, Resnet18State(step).state);
    fs::rename(dir_, pristine_);
    start_over();
    CheckpointStore again = store(real_disk());
    save(again, third_.state);
    for (const std::string name : {"step-00000002", "step-00000003"}) {
      const auto reader = CheckpointReader::open(real_disk(), dir_ + "/" + name);
      hashes_[reader->record().step] = reader->state_hash();
    }
  }
  // Two checkpoints. Their files are never written again, so that a link to each will do.
  void start_over() {
    fs::remove_all(dir_);
    fs::copy(pristine_, dir_, fs::copy_options::recursive | fs::copy_options::create_hard_links);
    log_.events.clear();
  }
  CheckpointStore store(Disk& disk) {
    CheckpointOptions options;
    options.keep_last = 2;
    return {dir_, options, disk, log_.sink()};
  }

  // Threads stand for the ranks. What one fails with is thrown once all have ended.
  void save(CheckpointStore& store, const CheckpointState& state) {
    if (GetParam() == 0) {
      store.save(state, true);
      return;
    }
    PlannedState planned = plan_state(state);
    planned.plan = plan_sharded(planned.tensors, GetParam());
    if (const auto there = store.begin_save(planned)) {
      store.repeat_save(planned, *there, true);
      return;
    }
    try {
      store.commit_save(planned, write_shards(store, planned), true);
    } catch (...) {
      store.abandon_save(state.record.step);
      throw;
    }
  }
  static std::vector<WrittenFile> write_shards(CheckpointStore& store, const PlannedState& planned) {
    std::vector<WrittenFile> written(planned.plan.shards.size());
    std::vector<std::exception_ptr> failed(written.size());
    {
      std::vector<std::jthread> ranks;
      for (std::size_t s = 0; s < written.size(); ++s)
        ranks.emplace_back([&, s] {
          try {
            written[s] = store.write_shard(planned, s);
          } catch (...) {
            failed[s] = std::current_exception();
          }
        });
    }
    for (const std::exception_ptr& error : failed)
      if (error) std::rethrow_exception(error);
    return written;
  }

  // How many operations of a kind an undisturbed third save has.
  std::int64_t count(const std::string& kind) {
    start_over();
    FaultyDisk disk(real_disk());
    CheckpointStore undisturbed = store(disk);
    disk.arm({.only = kind});
    save(undisturbed, third_.state);
    return disk.operations();
  }
  // Whatever the third save says after the failure, the newest checkpoint is whole, and one that was saved.
  void fail(const FailingOperation& failing) {
    SCOPED_TRACE(failing.kind + " " + std::to_string(failing.k));
    start_over();
    FaultyDisk disk(real_disk());
    CheckpointStore broken = store(disk);
    disk.arm({.fail_at = failing.k,
              .for_ever = failing.for_ever,
              .error = failing.error,
              .short_write = true,
              .only = failing.kind});
    std::string message;
    const ExitCode code = code_of([&] { save(broken, third_.state); }, &message);
    ASSERT_GT(disk.injections(), 0);
    ++injected_;
    ASSERT_TRUE(code == ExitCode::kDone || code == ExitCode::kStorage) << message;
    const auto newest = newest_whole(store(real_disk()));
    ASSERT_TRUE(newest);
    const Step step = newest->record().step;
    ASSERT_GE(step, code == ExitCode::kDone ? Step{3} : Step{2}) << message;
    ASSERT_EQ(newest->state_hash(), hashes_.at(step)) << "another state than was saved";
    ASSERT_EQ(log_.count("checkpoint_refused"), 0u);
    disk.arm({});
    // The same save goes through once the disk is well.
    if (step == Step{3}) return;
    ASSERT_EQ(code_of([&] { save(broken, third_.state); }, &message), ExitCode::kDone) << message;
    ASSERT_EQ(newest_whole(store(real_disk()))->state_hash(), hashes_.at(Step{3}));
  }

  ScratchFolder scratch_{1u << 30};
  std::string dir_ = scratch_ / "ckpt";
  std::string pristine_ = scratch_ / "pristine";
  EventLog log_;
  Resnet18State third_{3};
  std::map<Step, Digest> hashes_;
  std::int64_t injected_ = 0;
};

const std::vector<int> kErrors = {EIO, ENOSPC, EDQUOT, EROFS, EFBIG};

TEST_P(Resnet18Save, LeavesTheNewestWholeWhereADrawnOperationFails) {
  testing::Draw draw;
  for (const std::string& kind : kOperations) {
    const std::int64_t there = count(kind);
    if (there == 0) continue;
    for (int i = 0; i < (kind == "write" ? 3 : 1); ++i) {
      const auto k = static_cast<std::int64_t>(draw.below(static_cast<std::uint64_t>(there))) + 1;
      fail({kind, k, draw.one_of(kErrors), draw.below(2) == 1});
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GE(injected_, 12);
}

TEST_P(Resnet18Save, NightlyLeavesTheNewestWholeWhicheverOperationFails) {
  std::int64_t drawn = 0;
  for (const std::string& kind : kOperations) {
    const std::int64_t there = count(kind);
    for (std::int64_t k = 1; k <= there; ++k)
      for (const bool for_ever : {false, true}) {
        fail({kind, k, kErrors[static_cast<std::size_t>(drawn++) % kErrors.size()], for_ever});
        if (HasFatalFailure()) return;
      }
  }
  std::printf("%lld operations failed\n", static_cast<long long>(injected_));
  EXPECT_EQ(injected_, drawn);
  EXPECT_GT(injected_, 150);
}

TEST_P(Resnet18Save, HasSplitWholeIntegerAndZeroDimTensors) {
  const auto reader = CheckpointReader::open(real_disk(), dir_ + "/step-00000003");
  int split = 0, whole = 0, counters = 0;
  for (const ManifestTensor& tensor : reader->manifest().tensors) {
    (tensor.split() ? split : whole) += 1;
    counters += tensor.dtype == DType::kInt64 && tensor.shape.empty() ? 1 : 0;
  }
  EXPECT_EQ(counters, 20);
  EXPECT_EQ(split + whole, 62 * 3 + 60 + 1);
  EXPECT_EQ(split > 0, GetParam() > 1);
}

INSTANTIATE_TEST_SUITE_P(Layouts, Resnet18Save, ::testing::Values(0, 2),
                         [](const auto& info) { return info.param == 0 ? "Consolidated" : "Sharded"; });

}  // namespace
}  // namespace lockstep
