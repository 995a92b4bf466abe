// SPDX-License-Identifier: Apache-2.0
// F21: the power goes while a run saves, on a real file system that recovers its journal afterwards.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "checkpoint/catalog.h"
#include "checkpoint/reader.h"
#include "image_disk.h"
#include "job/job.h"
#include "lockstep/base/error.h"
#include "support/draw.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;
using Kind = ImageDisk::Kind;

// Around the page cache, or through it. A file system without O_DIRECT is kExt4Journal; the switch is for
// those that have it.
const std::string kThroughThePageCache = "skip@point=guard.skip_direct";

struct CutRun {
  const char* name;
  Kind kind;
  std::vector<std::string> overrides;
  std::string fault;

  friend void PrintTo(const CutRun& run, std::ostream* out) { *out << run.name; }
};

// What a run with a save at each step left in power cuts at moments that were drawn.
class PowerCuts {
 public:
  explicit PowerCuts(const CutRun& how) : job_(config()), disk_(how.kind, job_.run()) {
    const std::string acks = job_.path("acks");
    Start start{.ranks = 2, .overrides = how.overrides};
    // The oracle lies outside of the disk: a line for each checkpoint that is said to be safe.
    start.fault = "note@point=ckpt.after_latest,file=" + acks + (how.fault.empty() ? "" : ";" + how.fault);
    Process process(job_.command(start), job_.options(start));
    while (process.running()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(draw_.below(30)));
      const int acknowledged = last_step(acks);
      if (acknowledged == 0 || disk_.cuts() >= kMostCuts) continue;
      disk_.cut();
      acknowledged_.push_back(acknowledged);
    }
    result_ = process.wait();
  }
  static std::string config() {
    std::string text = mlp_config();
    const auto replace = [&](const std::string& from, const std::string& to) {
      text.replace(text.find(from), from.size(), to);
    };
    replace("hidden: [32, 16]", "hidden: [384, 256]");
    replace("steps: 12", "steps: 60");
    replace("eval_every: 4", "eval_every: 0");
    replace("every_steps: 3, keep_last: 3", "every_steps: 1, keep_last: 2");
    return text;
  }

  // The cuts that left less than was promised: no checkpoint as new as the last acknowledged one, or one that
  // is there and does not verify.
  std::vector<std::string> broken() {
    std::vector<std::string> broken;
    for (int cut = 0; cut < disk_.cuts(); ++cut) {
      const auto mounted = disk_.mount_cut(cut, job_.path("cut"));
      const std::string folder = job_.path("cut") + "/ckpt";
      const std::string why = fault_of(folder, acknowledged_[static_cast<std::size_t>(cut)]);
      if (!why.empty()) broken.push_back("cut " + std::to_string(cut) + ": " + why);
    }
    return broken;
  }
  // Goes on from what a cut left, to the end; the state hash.
  std::string go_on_from(int cut) const {
    const Job job(config());
    const auto mounted = disk_.mount_cut(cut, job.run());
    const ProcessResult result = job.train({.ranks = 2});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(job.events("checkpoint_refused").size(), 0u);
    return job.state_hash();
  }

  const ProcessResult& result() const { return result_; }
  std::string state_hash() const { return job_.state_hash(); }
  int cuts() const { return disk_.cuts(); }
  int in_saves() const { return in_saves_; }
  Draw& draw() { return draw_; }

 private:
  static constexpr int kMostCuts = 40;

  static int last_step(const std::string& acks) {
    const std::vector<std::string> lines = lines_of(acks);
    // The last line may be half written.
    const std::string text = lines.size() < 2 ? "" : lines[lines.size() - 2];
    const std::size_t at = text.find("step=");
    return at == std::string::npos ? 0 : std::stoi(text.substr(at + 5));
  }
  // Each life has a staging folder for as long as it lives; in a save there is a checkpoint in it.
  static bool is_of_a_save(const std::string& path, EntryKind kind) {
    return kind == EntryKind::kUnfinished && !real_disk().list(path).empty();
  }
  std::string fault_of(const std::string& folder, int acknowledged) {
    Step newest{0};
    bool in_save = false;
    for (const CatalogEntry& entry : list_catalog(real_disk(), folder)) {
      in_save = in_save || is_of_a_save(folder + "/" + entry.name, entry.kind);
      if (entry.kind != EntryKind::kCheckpoint) continue;
      try {
        CheckpointReader::open(real_disk(), folder + "/" + entry.name)->verify();
        newest = std::max(newest, entry.step);
      } catch (const Fault& fault) {
        return fault.what();
      }
    }
    in_saves_ += in_save ? 1 : 0;
    if (newest.value >= acknowledged) return "";
    return "step " + std::to_string(acknowledged) + " was acknowledged, " + std::to_string(newest.value) +
           " is left";
  }

  Draw draw_;
  Job job_;
  ImageDisk disk_;
  std::vector<int> acknowledged_;  // before each cut
  ProcessResult result_;
  int in_saves_ = 0;
};

class PowerCutOn : public ::testing::TestWithParam<CutRun> {};

TEST_P(PowerCutOn, LeavesEveryAcknowledgedCheckpointWhole) {
  if (const std::string missing = ImageDisk::missing(); !missing.empty()) GTEST_SKIP() << missing;
  PowerCuts run(GetParam());
  SCOPED_TRACE("LOCKSTEP_TEST_SEED=" + std::to_string(run.draw().seed()));
  ASSERT_EQ(run.result().code, 0) << run.result().err;
  EXPECT_THAT(run.broken(), ::testing::IsEmpty());
  std::printf("%d power cuts, %d of them in a save\n", run.cuts(), run.in_saves());
  ASSERT_GE(run.cuts(), 10);
  EXPECT_GE(run.in_saves(), 3);
  EXPECT_EQ(run.go_on_from(static_cast<int>(run.draw().below(static_cast<std::uint64_t>(run.cuts())))),
            run.state_hash());
}

INSTANTIATE_TEST_SUITE_P(
    F21, PowerCutOn,
    ::testing::Values(
        CutRun{"Ext4Sharded", Kind::kExt4, {"checkpoint.layout=sharded", "checkpoint.async=true"}, ""},
        CutRun{"Ext4WithoutODirect", Kind::kExt4Journal, {"checkpoint.layout=consolidated"}, ""},
        CutRun{"Ext4ThroughThePageCache", Kind::kExt4, {"checkpoint.layout=sharded"}, kThroughThePageCache},
        CutRun{"NightlyXfs", Kind::kXfs, {"checkpoint.layout=sharded", "checkpoint.async=true"}, ""},
        CutRun{"NightlyXfsThroughThePageCache",
               Kind::kXfs,
               {"checkpoint.layout=consolidated"},
               kThroughThePageCache}),
    [](const auto& info) { return info.param.name; });

// The guard: a file is synced before its checkpoint counts.
TEST(PowerCut, LosesAcknowledgedCheckpointsWithoutTheFileSync) {
  if (const std::string missing = ImageDisk::missing(); !missing.empty()) GTEST_SKIP() << missing;
  PowerCuts run({"",
                 Kind::kExt4,
                 {"checkpoint.layout=sharded"},
                 kThroughThePageCache + ";skip@point=guard.skip_file_sync"});
  ASSERT_EQ(run.result().code, 0) << run.result().err;
  EXPECT_GT(run.broken().size(), 0u) << run.cuts();
}

}  // namespace
}  // namespace lockstep::testing
