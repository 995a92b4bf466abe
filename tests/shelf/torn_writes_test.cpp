// SPDX-License-Identifier: Apache-2.0
// F21: what LazyFS calls torn-op and torn-seq. LazyFS itself needs FUSE and is in no Debian package, so the
// writes are torn in the seam, where every k can be had.
#include <fmt/format.h>

#include "shelf/newest_whole.h"
#include "shelf/sharded_save.h"
#include "support/faulty_disk.h"

namespace lockstep {
namespace {

// What a power cut at the k-th operation of the third save left.
struct Aftermath {
  bool done = false;  // the save had said so
  bool last = false;  // no operation is left to cut at
  std::int64_t torn = 0;
};

// A parameter of 0 is the consolidated layout, another one the number of shards.
class TornWrites : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { fs::create_directory(scratch_ / "graveyard"); }

  CheckpointStore store(Disk& disk) {
    CheckpointOptions options;
    options.keep_last = 2;
    return {dir_, options, disk, log_.sink()};
  }
  void save(CheckpointStore& store, const OwnedState& owned) {
    if (GetParam() == 0)
      store.save(owned.state, true);
    else
      save_in_turn(store, owned.state, GetParam());
  }
  Aftermath cut(std::int64_t k, Tearing tearing, bool sync_lies) {
    fs::remove_all(dir_);
    auto healthy = store(real_disk());
    save(healthy, first_);
    save(healthy, second_);
    log_.events.clear();
    FaultyDisk disk(real_disk(), scratch_ / "graveyard");
    disk.arm({.fail_at = k, .for_ever = true, .short_write = true, .sync_lies = sync_lies});
    Aftermath after;
    try {
      auto cut_off = store(disk);
      save(cut_off, third_);
      after.done = true;
    } catch (const Fault&) {
    }
    after.last = disk.injections() == 0;
    tearing.seed = mix_key({21, static_cast<std::uint64_t>(k), static_cast<std::uint64_t>(tearing.kind)});
    const bool names_too = tearing.seed % 2 == 0;
    after.torn = disk.power_cut(names_too ? PowerCut::kLoseDirectoryChanges : PowerCut::kKeepDirectoryChanges,
                                tearing);
    return after;
  }
  // Calls `judge` with what every k and every way to tear has left.
  template <class Judge>
  void cut_everywhere(bool sync_lies, Judge judge) {
    for (const auto kind : {Tearing::Kind::kPrefix, Tearing::Kind::kSectors, Tearing::Kind::kSomeWrites})
      for (std::int64_t k = 1; k < 500; ++k) {
        SCOPED_TRACE(fmt::format("operation {}, way {}", k, static_cast<int>(kind)));
        const Aftermath after = cut(k, {kind, 0}, sync_lies);
        torn_ += after.torn;
        judge(after);
        if (after.last) break;
        if (HasFatalFailure()) return;
      }
  }
  // The newest that a restart takes, bit for bit what was saved at that step.
  Step newest() {
    const auto reader = newest_whole(store(real_disk()));
    if (!reader) return Step{0};
    expect_reads_back(*reader, reader->record().step == Step{3} ? third_ : second_);
    return reader->record().step;
  }
  // A life after that one makes the same save, whatever it finds.
  void expect_goes_on() {
    auto next = store(real_disk());
    next.prepare(0);
    save(next, third_);
    EXPECT_EQ(newest(), Step{3});
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  EventLog log_;
  OwnedState first_{1, 1, 4}, second_{2, 1, 4}, third_{3, 1, 4};
  std::int64_t torn_ = 0;
};

TEST_P(TornWrites, ReachNoNameThatCounts) {
  cut_everywhere(/*sync_lies=*/false, [&](const Aftermath& after) {
    const Step found = newest();
    ASSERT_GE(found, Step{after.done ? 3 : 2});
    ASSERT_EQ(log_.count("checkpoint_refused"), 0u);
    expect_goes_on();
  });
  EXPECT_GT(torn_, 8);  // a file is synced right after its last write
}

// Then whole checkpoints of torn files have their names: only the digests tell.
TEST_P(TornWrites, OfADiskThatOnlySaysItSyncsCostThatCheckpointAndNoOther) {
  std::int64_t refused = 0;
  std::int64_t whole = 0;
  cut_everywhere(/*sync_lies=*/true, [&](const Aftermath& after) {
    const Step found = newest();
    ASSERT_GE(found, Step{2});
    if (log_.count("checkpoint_refused") == 0) {
      ASSERT_TRUE(found == Step{3} || !after.done);
      whole += found == Step{3} ? 1 : 0;
    } else {
      ASSERT_EQ(found, Step{2});
      ASSERT_TRUE(log_.last("checkpoint_refused").contains("file"));
      ++refused;
    }
    expect_goes_on();
  });
  EXPECT_GT(torn_, 100);
  EXPECT_GT(refused, 20);
  EXPECT_GT(whole, 5);
}

TEST_P(TornWrites, AreBelievedWithoutTheDigests) {
  const ArmedPlan no_guard("nan@point=guard.skip_digest");
  std::int64_t wrong = 0;
  for (std::int64_t k = 1; k < 500; ++k) {
    const Aftermath after = cut(k, {Tearing::Kind::kSectors, 0}, /*sync_lies=*/true);
    if (after.last) break;
    const auto reader = newest_whole(store(real_disk()));
    const auto read = third_.blank();
    if (reader->record().step != Step{3}) continue;
    reader->read(read, true);
    for (std::size_t i = 0; i < read.size(); ++i)
      if (!std::equal(read[i].bytes.begin(), read[i].bytes.end(), third_.state.tensors[i].bytes.begin())) {
        ++wrong;
        break;
      }
  }
  EXPECT_GT(wrong, 0);
}

INSTANTIATE_TEST_SUITE_P(F21, TornWrites, ::testing::Values(0, 3),
                         [](const auto& info) { return info.param == 0 ? "Consolidated" : "Sharded"; });

}  // namespace
}  // namespace lockstep
