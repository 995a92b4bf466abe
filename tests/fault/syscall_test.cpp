// SPDX-License-Identifier: Apache-2.0
// F2: what a save does to the disk, seen from outside, and SIGKILL at each call of it.
#include <algorithm>
#include <filesystem>
#include <regex>

#include "job/job.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

// Two saves, the second with something to prune, and the end of the run.
const std::vector<std::string> kShort = {"train.steps=4", "train.eval_every=0", "checkpoint.every_steps=2",
                                         "checkpoint.keep_last=1", "checkpoint.keep_best.count=0"};
const char* const kCalls = "rename,renameat,renameat2,fsync,fdatasync,unlink,unlinkat,rmdir";

std::vector<std::string> short_run(const std::string& layout) {
  std::vector<std::string> overrides = kShort;
  overrides.push_back("checkpoint.layout=" + layout);
  return overrides;
}

Start traced(const Job& job, const std::vector<std::string>& more = {},
             const std::string& layout = "consolidated") {
  Start start{.launcher = Launcher::kNone, .overrides = short_run(layout)};
  start.before = {"strace", "-f", "-y", "-qq", "-o", job.path("trace"), "-e", std::string("trace=") + kCalls};
  start.before.insert(start.before.end(), more.begin(), more.end());
  return start;
}

// `fsync ckpt/.staging/latest.part`: the calls in the run directory, in order, whatever this life calls its
// staging folder.
std::vector<std::string> calls(const Job& job) {
  const std::regex form("^[0-9]+ +([a-z0-9]+)\\((.*)\\) += 0$");
  const std::regex life("ckpt/\\.staging-[0-9]+-[0-9a-f]{8}");
  const std::regex path("[<\"]([^<>\"]*)[>\"]");
  std::vector<std::string> out;
  for (const std::string& line : lines_of(job.path("trace"))) {
    std::smatch found;
    if (!std::regex_match(line, found, form)) continue;
    std::string call = found[1];
    const std::string arguments = found[2];
    for (std::sregex_iterator it(arguments.begin(), arguments.end(), path), end; it != end; ++it) {
      const std::string name = (*it)[1];
      const std::size_t at = name.rfind("run/");
      call += " " +
              std::regex_replace(at == std::string::npos ? name : name.substr(at + 4), life, "ckpt/.staging");
    }
    out.push_back(call);
  }
  return out;
}

// The calls of the first save.
std::vector<std::string> first_save(const std::vector<std::string>& all) {
  const auto first = std::find_if(all.begin(), all.end(), [](const std::string& call) {
    return call.find(".staging/step-00000002") != std::string::npos;
  });
  const auto last = std::find_if(first, all.end(), [](const std::string& call) {
    return call.find(".staging/step-00000004") != std::string::npos;
  });
  return {first, last};
}

const std::vector<std::string> kOrder = {"fsync ckpt/.staging/step-00000002/checkpoint.h5",
                                         "fsync ckpt/.staging/step-00000002/manifest.json",
                                         "fsync ckpt/.staging/step-00000002",
                                         "rename ckpt/.staging/step-00000002 ckpt/step-00000002",
                                         "fsync ckpt",
                                         "fsync ckpt/.staging/latest.part",
                                         "rename ckpt/.staging/latest.part ckpt/latest",
                                         "fsync ckpt"};

TEST(Save, SyncsFilesAndFolderBeforeTheRenameAndTheParentAfterIt) {
  const Job job(mlp_config());
  ASSERT_EQ(job.train(traced(job)).code, 0);
  EXPECT_EQ(first_save(calls(job)), kOrder);
}

TEST(Save, IsSeenWithoutItsSyncsWhenTheyAreTakenOut) {
  for (const char* guard : {"guard.skip_file_sync", "guard.skip_directory_sync"}) {
    const Job job(mlp_config());
    Start start = traced(job);
    start.fault = std::string("skip@point=") + guard;
    ASSERT_EQ(job.train(start).code, 0);
    EXPECT_LT(first_save(calls(job)).size(), kOrder.size()) << guard;
  }
}

// A call and the layout of the checkpoints: a shard and its index are two files more than one file.
class KilledAtEvery : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(KilledAtEvery, CallLeavesACheckpointThatLoadsAndLeadsToTheSameEnd) {
  const std::string call = GetParam().first;
  const std::string layout = GetParam().second;
  const Job whole(mlp_config());
  ASSERT_EQ(whole.train(traced(whole, {}, layout)).code, 0);
  const std::vector<std::string> seen = calls(whole);
  const auto count = std::count_if(seen.begin(), seen.end(),
                                   [&](const std::string& line) { return line.starts_with(call + " "); });
  ASSERT_GT(count, 0);
  for (int k = 1; k <= count; ++k) {
    SCOPED_TRACE(call + " " + std::to_string(k) + " of " + std::to_string(count));
    const Job job(mlp_config());
    const std::string inject = "inject=" + call + ":signal=KILL:when=" + std::to_string(k);
    ASSERT_EQ(job.train(traced(job, {"-e", inject}, layout)).code, 137);
    const std::string trace = read_file(job.path("trace"));
    EXPECT_NE(trace.find("killed by SIGKILL"), std::string::npos);

    // The journal is the oracle: a checkpoint it calls saved is there, or a newer one is.
    int saved = 0;
    for (const Json& event : job.events("checkpoint_saved"))
      saved = std::max(saved, event.at("step").get<int>());
    std::vector<std::string> left;
    if (fs::exists(job.checkpoints())) left = job.checkpoint_names();
    EXPECT_TRUE(left.empty() || job.verifies(job.checkpoints() + "/" + left.back()));
    const ProcessResult again = job.train({.launcher = Launcher::kNone, .overrides = short_run(layout)});
    ASSERT_EQ(again.code, 0) << again.err;
    EXPECT_EQ(job.state_hash(), whole.state_hash());
    EXPECT_EQ(job.events("checkpoint_refused").size(), 0u);
    EXPECT_EQ(job.leftovers(), 0);
    const std::vector<Json> resumed = job.events("resumed");
    ASSERT_EQ(resumed.size(), left.empty() ? 0u : 1u);
    EXPECT_GE(left.empty() ? 0 : resumed[0].at("step").get<int>(), saved);
  }
}

INSTANTIATE_TEST_SUITE_P(
    F2, KilledAtEvery,
    ::testing::Values(std::pair("rename", "consolidated"), std::pair("fsync", "consolidated"),
                      std::pair("unlink", "consolidated"), std::pair("rmdir", "consolidated"),
                      std::pair("rename", "sharded"), std::pair("fsync", "sharded")),
    [](const auto& info) { return std::string(info.param.first) + "_" + info.param.second; });

}  // namespace
}  // namespace lockstep::testing
