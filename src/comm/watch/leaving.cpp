// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/leaving.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "comm/watch/stacks.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kDeadline{7000};
constexpr milliseconds kShortDeadline{1000};
constexpr milliseconds kForStacks{2500};
constexpr milliseconds kForRoot{5000};  // it waits for stacks, and writes
constexpr milliseconds kForRootShort{500};
constexpr milliseconds kForTheLog(500);
// The launcher should see the process that died first: it returns that one's code.
constexpr milliseconds kForTheLauncher{25};
constexpr const char* kRemedy = "Start the job again: it goes on from its last checkpoint";

[[noreturn]] void end_process() {
  ::_exit(static_cast<int>(ExitCode::kPeerLost));
}

// A frozen disk or a lock that the hung thread holds must not keep this rank.
void end_process_after(milliseconds limit) {
  try {
    std::thread([limit] {
      std::this_thread::sleep_for(limit);
      end_process();
    }).detach();
  } catch (const std::system_error&) {
    end_process();
  }
}

std::string text_of_ring(const Watch& watch) {
  std::string text;
  for (const CollectiveCall& call : watch.ring()) {
    if (call.sequence == 0) continue;
    const double ms = static_cast<double>(call.ended_ns - call.began_ns) * 1e-6;
    text += fmt::format("    #{} {} ({} bytes): {}\n", call.sequence, call.name, call.bytes,
                        call.ended_ns == 0 ? "has not returned" : fmt::format("{:.3f} ms", ms));
  }
  return text;
}

void log_lines(const std::string& text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    log_info("{}", text.substr(begin, end - begin));
    begin = end + 1;
  }
}

// The threads into the log; the main one's frames for the event of rank 0.
std::string log_stacks(const Watch& watch) {
  std::string all;
  std::string first;
  for (const ThreadStack& stack : take_stacks()) {
    if (first.empty()) first = fmt::format("{}", fmt::join(stack.frames, " < "));
    all += text_of(stack);
  }
  log_lines("stacks of all threads:\n" + all + "the last collectives:\n" + text_of_ring(watch));
  return first.substr(0, 4000);
}

// Who speaks for the job is the one that was lost.
void say_instead_of_root(const std::string& cause) {
  const std::string line = fmt::format("lockstep: error: {}. {}\n", printable(cause), kRemedy);
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

std::map<int, std::string> stacks_of_all(WatchPeers& peers, std::string mine) {
  std::map<int, std::string> stacks = {{peers.rank(), std::move(mine)}};
  const auto until = WatchPeers::Time::now() + kForStacks;
  const Beat none;
  std::size_t expected = 0;
  for (const RankView& view : peers.views(none, 1))
    if (!view.left && view.silent_s < view.silence_limit) ++expected;
  while (stacks.size() < expected && WatchPeers::Time::now() < until)
    for (const WatchMessage& message : peers.wait(-1, milliseconds(50)).stacks)
      stacks[message.rank] = message.body;
  return stacks;
}

void report(WatchPeers& peers, const LeaveCause& cause, const std::map<int, std::string>& stacks,
            const WatchSink& sink) {
  if (!sink) return;
  std::map<std::string, std::string> fields = {{"cause", cause.text},
                                               {"seen_by", std::to_string(peers.rank())}};
  // A host is at fault where a rank does not answer; one that answers is held up by its program.
  if (!cause.culprits.empty() && (!cause.hang || !cause.silent.empty()))
    fields["host"] = peers.host_of(cause.culprits.front());
  fields["ranks"] = fmt::format("{}", fmt::join(cause.culprits, ","));
  for (const auto& [rank, stack] : stacks)
    if (!stack.empty()) fields[fmt::format("stack_of_rank_{}", rank)] = stack;
  sink(cause.hang ? "hang" : "rank_lost", fields);
}

// The launcher ends all ranks at the first death that it sees, and rank 0 has to tell of it first.
void wait_for_root(WatchPeers& peers, milliseconds limit) {
  const auto until = WatchPeers::Time::now() + limit;
  while (peers.hears_root() && WatchPeers::Time::now() < until) peers.wait(-1, milliseconds(20));
}

}  // namespace

std::string LeaveCause::encode() const {
  return fmt::format("{}{}\n{}", hang ? "hang " : "gone ", fmt::join(silent, " "), text);
}

LeaveCause LeaveCause::decode(const std::string& body) {
  LeaveCause cause;
  const std::size_t line = std::min(body.find('\n'), body.size());
  cause.text = body.substr(std::min(line + 1, body.size()));
  cause.hang = body.starts_with("hang");
  const char* at = body.c_str() + std::min<std::size_t>(5, line);
  for (char* end = nullptr; at < body.c_str() + line; at = end) {
    cause.silent.push_back(static_cast<int>(std::strtol(at, &end, 10)));
    if (end == at) break;
  }
  return cause;
}

void leave(WatchPeers& peers, const LeaveCause& cause, const Watch& watch, const WatchSink& sink) {
  end_process_after(cause.hang ? kDeadline : kShortDeadline);
  if (peers.is_root()) peers.send({WatchMessage::kLeave, 0, cause.encode()});
  // Rank 0 tells of all; who has lost it tells of itself.
  const bool lost_root = std::ranges::find(cause.culprits, 0) != cause.culprits.end() && !peers.is_root();
  const bool told_by_root = !peers.is_root() && !lost_root;
  try {
    log_error("{}. {}", cause.text, kRemedy);
    if (lost_root && peers.rank() == 1) say_instead_of_root(cause.text);
    std::string mine;
    if (cause.hang) mine = log_stacks(watch);
    if (!peers.is_root() && cause.hang) peers.send({WatchMessage::kStack, peers.rank(), mine});
    if (peers.is_root() || lost_root)
      report(peers, cause,
             peers.is_root() && cause.hang ? stacks_of_all(peers, mine)
                                           : std::map<int, std::string>{{peers.rank(), mine}},
             sink);
  } catch (const std::exception&) {
    // No memory, no disk: it leaves all the same.
  }
  // What waits in the log's queue would go with the process.
  flush_log(kForTheLog);
  if (told_by_root) wait_for_root(peers, cause.hang ? kForRoot : kForRootShort);
  peers.end(cause.silent);
  if (!cause.hang && !told_by_root) std::this_thread::sleep_for(kForTheLauncher);
  end_process();
}

}  // namespace lockstep
