// SPDX-License-Identifier: Apache-2.0
#include "traced_ranks.h"

#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <thread>

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

const char* const kMutating =
    "trace=rename,renameat,renameat2,fsync,fdatasync,unlink,unlinkat,rmdir,mkdir,mkdirat,fallocate,ftruncate,"
    "pwrite64";

std::vector<std::string> threads_of(pid_t pid) {
  std::vector<std::string> threads;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone))
    threads.push_back(entry.path());
  return threads;
}

// How often a thread was switched to, when its tracer holds it; else nothing.
std::string runs_if_held(const std::string& thread) {
  std::ifstream status(thread + "/status");
  std::string runs;
  bool held = false;
  for (std::string line; std::getline(status, line);) {
    held = held || line.find("(tracing stop)") != std::string::npos;
    if (line.find("ctxt_switches") != std::string::npos) runs += line;
  }
  return held ? runs : "";
}

pid_t tracer_of(const std::string& thread) {
  std::ifstream status(thread + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("TracerPid:")) return std::stoi(line.substr(10));
  return 0;
}

}  // namespace

std::string KillPoint::text() const {
  return "rank " + std::to_string(rank) + " at the " + (at_exit ? "exit" : "entry") + " of " + call + " " +
         std::to_string(number);
}

TracedRanks::TracedRanks(const Job& job, int ranks, std::string also)
    : job_(job), ranks_(ranks), calls_(kMutating + (also.empty() ? also : "," + also)) {}

ProcessResult TracedRanks::train(const std::vector<std::string>& overrides, const KillPoint* point) {
  Start start{.ranks = ranks_, .overrides = overrides};
  for (int rank = 0; rank < ranks_; ++rank) {
    fs::remove(trace_of(rank));
    start.before_rank.push_back({"strace", "-f", "-y", "-s", "0", "-qq", "-o", trace_of(rank), "-e", calls_});
    if (point == nullptr || point->rank != rank) continue;
    // At the exit strace only waits, and the test kills: it has no kill of its own there.
    const std::string how = point->at_exit ? ":delay_exit=20s" : ":signal=KILL";
    start.before_rank.back().insert(
        start.before_rank.back().end(),
        {"-e", "inject=" + point->call + how + ":when=" + std::to_string(point->number)});
  }
  ProcessOptions options = job_.options(start);
  // The other ranks end with the first: nothing of theirs is waited for.
  options.environment["OMPI_MCA_odls_base_sigkill_timeout"] = "0";
  Process process(job_.command(start), options);
  killed_at_exit_ = false;
  if (point != nullptr && point->at_exit) kill_at_exit(process);
  return process.wait();
}

// strace holds the thread in the call's exit, which nothing else does for so long: stopped by its tracer, and
// not run in between.
void TracedRanks::kill_at_exit(Process& process) {
  constexpr int kStill = 12;
  std::map<std::string, std::pair<std::string, int>> still;  // thread: how often it was run, and since when
  while (process.running()) {
    for (const pid_t pid : job_.processes())
      for (const std::string& thread : threads_of(pid)) {
        const std::string held = runs_if_held(thread);
        auto& [runs, times] = still[thread];
        times = !held.empty() && held == runs ? times + 1 : 0;
        runs = held;
        if (times < kStill) continue;
        // strace would wait on until its time is over; what it traces is dying already.
        const pid_t tracer = tracer_of(thread);
        ::kill(pid, SIGKILL);
        if (tracer > 0) ::kill(tracer, SIGKILL);
        killed_at_exit_ = true;
        return;
      }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

bool TracedRanks::killed(int rank) const {
  return killed_at_exit_ || read_file(trace_of(rank)).find("+++ killed by SIGKILL +++") != std::string::npos;
}

std::vector<KillPoint> TracedRanks::points(int rank) const {
  std::map<std::pair<std::string, std::string>, int> numbers;  // of a thread's calls
  std::set<std::pair<std::string, int>> here;
  const std::regex form("^([0-9]+) +([a-z0-9]+)\\((.*)");
  for (const std::string& line : lines_of(trace_of(rank))) {
    std::smatch found;
    if (!std::regex_match(line, found, form)) continue;
    const int number = ++numbers[{found[1], found[2]}];
    // A path as it was given is relative, one of an open file is not.
    const std::string arguments = found[3];
    if (arguments.find("\"run/") != std::string::npos ||
        arguments.find(job_.run() + "/") != std::string::npos)
      here.emplace(found[2], number);
  }
  std::vector<KillPoint> points;
  for (const auto& [call, number] : here)
    for (const bool at_exit : {false, true}) points.push_back({rank, call, number, at_exit});
  return points;
}

int TracedRanks::committed_step() const {
  const std::regex form(".* rename\\(\".*/\\.staging-[^\"]*step-([0-9]+)\", \".*\"\\) += 0.*");
  int newest = 0;
  for (const std::string& line : lines_of(trace_of(0))) {
    std::smatch found;
    if (std::regex_match(line, found, form)) newest = std::max(newest, std::stoi(found[1]));
  }
  return newest;
}

}  // namespace lockstep::testing
