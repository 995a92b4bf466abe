// SPDX-License-Identifier: Apache-2.0
#include "supervise/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <set>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using std::chrono::milliseconds;

constexpr int kMostFruitless = 3;
constexpr int kMostBugs = 2;
constexpr int kMostOfOneFault = 2;
constexpr int kFailuresOfAHost = 2;
// In units of the first pause.
constexpr int kLongestPause = 30;
constexpr int kLongestWait = 300;
// A program that reports no commits has got on when it lasted this long.
constexpr milliseconds kLong = std::chrono::minutes(10);

int number(ExitCode code) {
  return static_cast<int>(code);
}

// Ends that the same start would have again.
bool is_final(int code) {
  static const std::set<int> kFinal = {number(ExitCode::kUsage),        number(ExitCode::kNoValidCheckpoint),
                                       number(ExitCode::kInputMissing), number(ExitCode::kCannotStart),
                                       number(ExitCode::kRunDirectory), number(ExitCode::kStorage),
                                       number(ExitCode::kLocked),       number(ExitCode::kConfig),
                                       number(ExitCode::kNeverRestart)};
  return kFinal.count(code) != 0;
}

// A signal that a program brings upon itself; the others come from outside.
bool is_own_signal(int code) {
  static const std::set<int> kOwn = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};
  return kOwn.count(code - 128) != 0;
}

Decision end_with(int code, std::string reason) {
  return {Action::kGiveUp, code, milliseconds(0), std::move(reason), {}};
}

milliseconds doubled(milliseconds first, int times, int longest) {
  milliseconds pause = first;
  for (int i = 0; i < times && pause < first * longest; ++i) pause *= 2;
  return std::min(pause, first * longest);
}

// What it was, to be compared with what it was the time before. Empty: nothing that says more than that the
// attempt ended. A lost peer is never the same one: a network heals.
std::optional<ReportedFault> comparable(const AttemptFacts& facts) {
  if (facts.code == number(ExitCode::kPeerLost)) return std::nullopt;
  if (facts.fault) return facts.fault;
  if (!is_own_signal(facts.code)) return std::nullopt;
  return ReportedFault{facts.code, facts.step, "", ""};
}

void note_fault(const AttemptFacts& facts, History& history) {
  const std::optional<ReportedFault> now = comparable(facts);
  const auto& before = history.last_fault;
  const bool same = now && before && now->code == before->code && now->step == before->step &&
                    now->message == before->message;
  history.same_fault = now ? (same ? history.same_fault + 1 : 1) : 0;
  history.last_fault = now;
}

bool got_on(const AttemptFacts& facts) {
  return facts.reach == Reach::kUnknown ? facts.lasted >= kLong : facts.committed.has_value();
}

void note_progress(const AttemptFacts& facts, History& history) {
  ++history.attempts;
  if (facts.reach == Reach::kTraining) {
    history.ever_trained = true;
    history.waits = 0;
  }
  if (got_on(facts)) history.fruitless = history.pauses = 0;
}

std::vector<std::string> hosts_to_drop(const PolicyOptions& options, const AttemptFacts& facts,
                                       History& history) {
  std::vector<std::string> drop;
  for (const std::string& host : facts.bad_hosts)
    if (++history.host_failures[host] >= kFailuresOfAHost && options.may_drop_hosts) drop.push_back(host);
  return drop;
}

Decision stopped(const AttemptFacts& facts) {
  const bool told = is_final(facts.code) || facts.code == number(ExitCode::kRequeue);
  if (told) return end_with(facts.code, meaning_of(facts.code));
  const int signal = facts.stop_signal != 0 ? facts.stop_signal : SIGTERM;
  return end_with(128 + signal,
                  fmt::format("stopped on request before it could save ({})", meaning_of(facts.code)));
}

Decision yielded(const PolicyOptions& options, const AttemptFacts& facts) {
  const int code = number(ExitCode::kRequeue);
  if (options.can_requeue) return {Action::kRequeue, code, milliseconds(0), meaning_of(facts.code), {}};
  return end_with(facts.code, meaning_of(facts.code));
}

std::string words_of(Circumstance circumstance) {
  switch (circumstance) {
    case Circumstance::kUnreachable:
      return "a host cannot be reached";
    case Circumstance::kLauncher:
      return "the launcher could not start, or was ended";
    case Circumstance::kNode:
      return "a node failed";
    case Circumstance::kNoSpace:
      return "/dev/shm or TMPDIR is full";
    case Circumstance::kFormerLife:
      return "an earlier attempt of this job still holds the run";
    default:
      return "what it needs is not there now";
  }
}

// For what is nobody's fault here there is no last time.
Decision wait(const PolicyOptions& options, const AttemptFacts& facts, History& history) {
  const std::string detail = facts.detail.empty() ? meaning_of(facts.code) : facts.detail;
  Decision decision{Action::kWait, 0, milliseconds(0), words_of(facts.circumstance) + ": " + detail, {}};
  decision.drop_hosts = hosts_to_drop(options, facts, history);
  if (!decision.drop_hosts.empty()) {
    history.waits = 0;
    return decision;
  }
  decision.pause = doubled(options.first_pause, history.waits, kLongestWait);
  ++history.waits;
  return decision;
}

bool is_infrastructure(const AttemptFacts& facts, const History& history) {
  switch (facts.circumstance) {
    case Circumstance::kUnreachable:
    case Circumstance::kLauncher:
    case Circumstance::kNode:
    case Circumstance::kFormerLife:
      return true;
    case Circumstance::kNoSpace:
      return history.ever_trained;
    default:
      break;
  }
  // What has trained before can start; this time something around it was missing.
  const bool never_began = facts.reach == Reach::kNothing && !is_final(facts.code);
  const bool could_not = facts.reach != Reach::kTraining && facts.reach != Reach::kUnknown &&
                         facts.code == number(ExitCode::kCannotStart);
  return history.ever_trained && (never_began || could_not);
}

std::string reason_of(const AttemptFacts& facts) {
  return meaning_of(facts.code) + (facts.remark.empty() ? "" : ": " + facts.remark);
}

Decision restart(const PolicyOptions& options, const AttemptFacts& facts, History& history) {
  Decision decision{Action::kRestart, 0, milliseconds(0), reason_of(facts), {}};
  decision.drop_hosts = hosts_to_drop(options, facts, history);
  // The first one at once: most of what ends a rank has passed when it is gone.
  if (history.pauses > 0) decision.pause = doubled(options.first_pause, history.pauses - 1, kLongestPause);
  ++history.pauses;
  return decision;
}

Decision judge_program(const PolicyOptions& options, const AttemptFacts& facts, History& history) {
  const bool is_restart = history.faults++ > 0;
  note_fault(facts, history);
  if (is_final(facts.code)) return end_with(facts.code, meaning_of(facts.code));
  const bool is_bug = facts.code == number(ExitCode::kBug);
  if (is_bug && ++history.bugs >= kMostBugs)
    return end_with(facts.code, "code 70 for the second time: not a passing fault");
  if (history.same_fault >= kMostOfOneFault)
    return end_with(number(ExitCode::kNeverRestart),
                    fmt::format("the same fault twice at step {}", history.last_fault->step));
  if (is_restart && !got_on(facts)) ++history.fruitless;
  if (history.fruitless >= kMostFruitless)
    return end_with(number(ExitCode::kNeverRestart),
                    "three restarts in a row made no new commit, the last ended with " + reason_of(facts));
  return restart(options, facts, history);
}

}  // namespace

std::string meaning_of(int code) {
  static const std::map<int, std::string> kMeanings = {
      {0, "done"},
      {number(ExitCode::kBug), "bug or replicas differ"},
      {number(ExitCode::kRequeue), "stopped on request, saved"},
      {number(ExitCode::kPeerLost), "peer lost or hung"},
      {255, "the launcher, or ssh, failed"}};
  const auto known = kMeanings.find(code);
  if (known != kMeanings.end()) return fmt::format("code {} ({})", code, known->second);
  if (code > 128 && code < 128 + 65) return fmt::format("code {} (killed by signal {})", code, code - 128);
  return is_final(code) ? fmt::format("code {}", code) : fmt::format("code {} (crash)", code);
}

Decision judge(const PolicyOptions& options, const AttemptFacts& facts, History& history) {
  note_progress(facts, history);
  if (facts.code == number(ExitCode::kDone)) return {Action::kDone, 0, milliseconds(0), "done", {}};
  switch (facts.circumstance) {
    case Circumstance::kCancelled:
    case Circumstance::kShutdown:
      return stopped(facts);
    case Circumstance::kPreempted:
    case Circumstance::kTimeLimit:
      return yielded(options, facts);
    default:
      break;
  }
  if (facts.stop_signal != 0) return stopped(facts);
  if (facts.code == number(ExitCode::kRequeue)) return yielded(options, facts);
  if (facts.circumstance == Circumstance::kNode && options.can_requeue) return yielded(options, facts);
  if (facts.circumstance == Circumstance::kNoSpace && !history.ever_trained)
    return end_with(number(ExitCode::kCannotStart), words_of(facts.circumstance) + ": " + facts.detail);
  if (is_infrastructure(facts, history)) return wait(options, facts, history);
  return judge_program(options, facts, history);
}

}  // namespace lockstep
