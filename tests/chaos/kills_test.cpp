// SPDX-License-Identifier: Apache-2.0
// Ranks killed at random moments, again and again, while what they compute lies in memory they have in
// common: the same bits at the end, and nothing that any of them leaves behind.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "base/process_memory.h"
#include "base/process_text.h"
#include "job/job.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

// Layers of 128 KiB and more, whose gradients stay where autograd has made them. What the ranks of a life
// have in common is about 30 MB: left behind by a few lives, it would be seen.
constexpr const char* kConfig = R"(
version: 1
run: {name: job, dir: run, seed: 7}
model: {type: mlp, inputs: 64, hidden: [1024, 768], outputs: 4, dropout: 0.1}
data: {type: synthetic, samples: 600, input_shape: [64], classes: 4}
train: {steps: 300, global_batch: 12, micro_batch: 2}
optim: {type: adamw, lr: 1e-3}
checkpoint: {every_steps: 5, keep_last: 2}
)";
constexpr std::uint64_t kMebibyte = 1u << 20;
constexpr std::uint64_t kTolerance = 64 * kMebibyte;  // of what the rest of the machine does meanwhile

std::uint64_t shared_memory_of_host() {
  std::smatch found;
  const std::string text = read_file("/proc/meminfo");
  EXPECT_TRUE(std::regex_search(text, found, std::regex("Shmem: +([0-9]+) kB")));
  return std::stoull(found[1]) * 1024;
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") == std::string::npos) found.push_back(std::stoi(name));
  }
  return found;
}

// Files in /dev/shm that nobody alive has mapped, but `known` ones.
std::set<std::string> forsaken(const std::set<std::string>& known) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator("/dev/shm"))
    if (!known.contains(entry.path())) names.insert(entry.path());
  for (const pid_t process : all_processes()) {
    if (names.empty()) break;
    const std::string maps = process_text(process, "maps");
    std::erase_if(names, [&](const std::string& name) { return maps.find(name) != std::string::npos; });
  }
  return names;
}

// The memories in which ranks make gradients that this process has mapped: its own, and its peers'.
std::size_t birthplaces_in(const std::string& maps) {
  static const std::regex kInode("([0-9]+) +/memfd:lockstep-memory");
  std::set<std::string> inodes;
  for (std::sregex_iterator one(maps.begin(), maps.end(), kInode), end; one != end; ++one)
    inodes.insert((*one)[1]);
  return inodes.size();
}

// A supervisor and its many lives, from outside.
class Watcher {
 public:
  explicit Watcher(const Job& job) : job_(job) {}

  void look() {
    for (const pid_t process : job_.processes()) {
      if (sharing_.contains(process)) continue;
      const std::string words = process_text(process, "cmdline");
      if (words.find("/disturbed") == std::string::npos) continue;
      const auto verb = words.find('\0');
      if (words.compare(verb + 1, 6, std::string("train\0", 6)) == 0 &&
          birthplaces_in(process_text(process, "maps")) >= 2)
        sharing_.insert(process);
      if (words.compare(verb + 1, 4, std::string("run\0", 4)) == 0) look_at_supervisor(process);
    }
  }

  // Ranks that had each other's gradients mapped.
  std::size_t sharing() const { return sharing_.size(); }
  // By how much the supervisor is larger in its last lives than in its first, in bytes and descriptors.
  std::int64_t growth() const { return grown(memory_); }
  std::int64_t more_open() const { return grown(descriptors_); }

 private:
  void look_at_supervisor(pid_t process) {
    const ProcessMemory memory = process_memory_of(process_text(process, "smaps_rollup"), "");
    std::error_code gone;
    const fs::directory_iterator open("/proc/" + std::to_string(process) + "/fd", gone);
    if (memory.own == 0 || gone) return;
    memory_.push_back(static_cast<std::int64_t>(memory.own));
    descriptors_.push_back(std::distance(open, fs::directory_iterator()));
  }

  static std::int64_t grown(const std::vector<std::int64_t>& looks) {
    const auto quarter = static_cast<std::ptrdiff_t>(looks.size() / 4);
    EXPECT_GT(quarter, 0);
    if (quarter == 0) return 0;
    return *std::max_element(looks.end() - quarter, looks.end()) -
           *std::max_element(looks.begin(), looks.begin() + quarter);
  }

  const Job& job_;
  std::set<pid_t> sharing_;
  std::vector<std::int64_t> memory_, descriptors_;
};

std::string state_hash_of(const std::string& run) {
  return Json::parse(read_file(run + "/DONE")).at("state_hash");
}

// One kill more than `count`: the last may find the run at its end.
void expect_nothing_left_by(int count) {
  const Job job(kConfig);
  std::set<std::string> known;
  for (const auto& entry : fs::directory_iterator("/dev/shm")) known.insert(entry.path());
  const std::uint64_t before = shared_memory_of_host();
  ProcessOptions options = job.options({});
  options.limit = std::chrono::seconds(20 * count);
  Process process({LOCKSTEP_BINARY, "drill", "-c", job.path("config.yaml"),
                   "train.steps=" + std::to_string(15 * count), "--kills", std::to_string(count + 1),
                   "--ranks", "2,3", "--seed", "1", "--dir", job.path("drill"), "--keep", "--json"},
                  options);
  Watcher watcher(job);
  while (process.running()) {
    watcher.look();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  const ProcessResult result = process.wait();
  const Json told = Json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(told.is_object()) << result.err;
  std::cout << "undisturbed " << told.at("undisturbed_s") << " s, disturbed " << told.at("disturbed_s")
            << " s, " << watcher.sharing() << " ranks shared\n";

  EXPECT_GE(std::ranges::count_if(told.at("faults"), [](const Json& one) { return one.at("struck"); }), count)
      << told;
  int starts = 0, in_a_start = 0;
  for (const Json& fault : told.at("faults")) {
    if (fault.at("planned_step") == 0 && fault.at("struck")) {
      ++starts;
      in_a_start += fault.at("step") == 0;
    }
    EXPECT_NE(fault.at("same_bits"), false) << fault;
    EXPECT_EQ(fault.at("lost_commit"), false) << fault;
  }
  // A start that is shorter than the one before is over when it is to be struck; of a few, all may be.
  if (starts >= 20) {
    EXPECT_GE(2 * in_a_start, starts);
  }
  for (const std::string wrong : told.at("wrong"))
    EXPECT_THAT(wrong, ::testing::HasSubstr("was not struck: the run had ended"));
  EXPECT_EQ(state_hash_of(job.path("drill/disturbed")), state_hash_of(job.path("drill/undisturbed")));
  // One kill in four comes before there is anything to share.
  EXPECT_GE(watcher.sharing(), static_cast<std::size_t>(count));

  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(5)));
  EXPECT_TRUE(wait_until([&] { return forsaken(known).empty(); }))
      << ::testing::PrintToString(forsaken(known));
  EXPECT_TRUE(wait_until([&] { return shared_memory_of_host() < before + kTolerance; }))
      << before << " bytes before, " << shared_memory_of_host() << " after";
  EXPECT_LT(watcher.growth(), static_cast<std::int64_t>(kMebibyte)) << "of the supervisor";
  EXPECT_LE(watcher.more_open(), 2) << "descriptors of the supervisor";
  for (const auto& entry : fs::directory_iterator(job.path("drill/disturbed/ckpt")))
    EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
}

TEST(RandomKills, TwentyLeaveTheSameBitsAndNothingBehind) {
  expect_nothing_left_by(20);
}

TEST(RandomKillsNightly, TwoHundredLeaveTheSameBitsAndNothingBehind) {
  expect_nothing_left_by(200);
}

}  // namespace
}  // namespace lockstep::testing
