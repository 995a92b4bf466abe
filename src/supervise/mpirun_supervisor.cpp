// SPDX-License-Identifier: Apache-2.0
#include "supervise/mpirun_supervisor.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "base/seconds_between.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "supervise/attempt_split.h"
#include "supervise/former_life.h"
#include "supervise/on_end.h"

namespace lockstep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// What is due is looked at this often; what happens is seen at once.
constexpr milliseconds kTick{100};
// Ranks that a killed supervisor has left may save for this long.
constexpr std::chrono::minutes kOrphansHave{10};

HostPool pool_of(const MpirunJob& job) {
  return job.hostfile.empty() ? HostPool() : HostPool(read_hostfile(job.hostfile), job.spares);
}

// Becomes readable when the process ends; -1 where the kernel is too old for it: then the tick sees it.
int open_process(pid_t process) {
#ifdef SYS_pidfd_open
  return static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
#else
  return -1;
#endif
}

std::string cause_of(const AttemptFacts& facts) {
  if (facts.fault) return facts.fault->message;
  if (!facts.remark.empty()) return facts.remark;
  const bool is_known = facts.circumstance != Circumstance::kNone && !facts.detail.empty();
  return is_known ? facts.detail : meaning_of(facts.code);
}

}  // namespace

MpirunSupervisor::MpirunSupervisor(MpirunJob job, Surroundings around)
    : job_(std::move(job)),
      around_(std::move(around)),
      hosts_(pool_of(job_)),
      line_(/*all_addresses=*/!job_.hostfile.empty()) {
  if (!job_.run_directory.empty()) events_.set_directory(job_.run_directory);
}

int MpirunSupervisor::run() {
  if (!take_over()) return finish(128 + stop_.signal(), "stopped on request before a start");
  PolicyOptions options;
  options.may_drop_hosts = !hosts_.empty() && (job_.spares > 0 || job_.ranks == 0);
  options.first_pause = around_.first_pause;
  for (;;) {
    const AttemptFacts facts = attempt();
    const Decision decision = judge(options, facts, history_);
    if (const std::optional<int> code = act_on(decision, facts)) return *code;
  }
}

// False when it was asked to stop meanwhile.
bool MpirunSupervisor::take_over() {
  if (events_.directory().empty()) return true;
  const FormerLife former(events_.directory());
  rank0s_ = former.rank0s();
  if (const auto orphans = former.processes(); !orphans.empty()) {
    log_warning("the supervisor before this one was killed: asking the {} processes it left to save and stop",
                orphans.size());
    events_.add(0, "took_over", {{"processes", static_cast<std::int64_t>(orphans.size())}});
    former.ask_to_stop();
    const auto patience = job_.grace ? milliseconds(*job_.grace) : milliseconds(kOrphansHave);
    const auto deadline = steady_clock::now() + patience;
    while (!former.processes().empty() && steady_clock::now() < deadline)
      if (!pause(milliseconds(50))) return false;
  }
  former.end();
  return true;
}

AttemptFacts MpirunSupervisor::attempt() {
  const Time begin = steady_clock::now();
  ++launches_;
  told_ = Told::kNothing;
  try {
    MpirunAttempt attempt({job_, hosts_, line_}, launch());
    watch(attempt);
    AttemptFacts facts = attempt.facts();
    note_story(attempt);
    facts.stop_signal = stop_.signal();
    if (is_own_former_life(facts)) facts.circumstance = Circumstance::kFormerLife;
    note_end(facts, begin);
    return facts;
  } catch (const Fault& fault) {
    if (launches_ == 1) throw;
    AttemptFacts facts = could_not_start(fault);
    note_end(facts, begin);
    return facts;
  }
}

LaunchParts MpirunSupervisor::parts_of(int launch) const {
  return {job_, around_, hosts_, launch, line_.committed_ever()};
}

// The one that stands by, where it is what is needed now.
std::unique_ptr<MpirunLaunch> MpirunSupervisor::launch() {
  const LaunchParts parts = parts_of(launches_);
  if (const auto standby = std::exchange(standby_, nullptr))
    if (auto ready = standby->release(parts)) return ready;
  return std::make_unique<MpirunLaunch>(parts, line_.reserve(), MpirunLaunch::Begin::kNow);
}

// Starts the next attempt's ranks in advance, once for each attempt, as soon as it is known what they are to
// do: go on from a commit of this job.
void MpirunSupervisor::tend_standby(const MpirunAttempt& attempt) {
  const bool stops = stop_.signal() != 0 || attempt.is_being_killed();
  if (standby_ && (stops || !standby_->lives())) standby_.reset();
  const AttemptStory& story = line_.story();
  const bool may = job_.standby && job_.speaks && hosts_.empty();
  const bool due = may && story.knows_gates && story.stepped && line_.committed_ever();
  if (!due || stops || stood_by_ > launches_) return;
  stood_by_ = launches_ + 1;
  if (!Standby::has_room(attempt.ranks())) return;
  try {
    standby_ = std::make_unique<Standby>(parts_of(launches_ + 1), line_.reserve());
    keep_record_of(attempt);
  } catch (const Fault&) {
    // Whatever it is, the next attempt will say it, if it is still so then.
  }
}

// What worked the first time and does not now: the room has gone, for now.
AttemptFacts MpirunSupervisor::could_not_start(const Fault& fault) {
  AttemptFacts facts;
  facts.code = static_cast<int>(fault.code());
  facts.circumstance = history_.ever_trained ? Circumstance::kNoSpace : Circumstance::kLauncher;
  facts.detail = fault.fact();
  facts.stop_signal = stop_.signal();
  return facts;
}

void MpirunSupervisor::watch(MpirunAttempt& attempt) {
  const Descriptor process(open_process(attempt.session()));
  if (stop_.signal() != 0) attempt.ask_to_stop();
  while (!attempt.tend()) {
    note_story(attempt);
    tend_standby(attempt);
    // The descriptor of what was said stays readable at its end, and would wake us for ever.
    std::array<pollfd, 4> wanted = {{{attempt.said(), POLLIN, 0},
                                     {signals_.fd(), POLLIN, 0},
                                     {line_.fd(), POLLIN, 0},
                                     {process.get(), POLLIN, 0}}};
    ::poll(wanted.data(), wanted.size(), static_cast<int>(kTick.count()));
    if ((wanted[0].revents & (POLLHUP | POLLIN)) == POLLHUP)
      ::poll(&wanted[1], 3, static_cast<int>(kTick.count()));
    hear_signals(&attempt);
    const bool late = stop_.signal() != 0 && job_.grace && steady_clock::now() > stop_.since() + *job_.grace;
    if (late && !attempt.is_being_killed()) {
      log_warning("the {} s of --grace are over: ending the ranks without a save", job_.grace->count());
      attempt.kill();
    }
  }
  ended_ = steady_clock::now();
}

void MpirunSupervisor::hear_signals(MpirunAttempt* attempt) {
  for (const int signal : signals_.take()) {
    if (signal == SIGUSR2) {
      if (attempt != nullptr) attempt->ask_to_save();
      continue;
    }
    const StopWish wish = stop_.add(signal, steady_clock::now());
    if (attempt == nullptr) continue;
    if (wish == StopWish::kSaveAndStop) {
      log_info("asking the ranks to save and stop");
      attempt->ask_to_stop();
    } else if (wish == StopWish::kSayWhy) {
      say_what_it_waits_for();
    } else if (wish == StopWish::kEnd) {
      log_warning("third request to stop: ending the ranks without a save");
      attempt->kill();
    }
  }
}

void MpirunSupervisor::say_what_it_waits_for() const {
  const AttemptStory& story = line_.story();
  if (story.reach() != Reach::kTraining)
    log_info("the ranks have not begun to train; a third request ends them");
  else
    log_info(
        "waiting for the ranks to end step {} and to save it; the last save is of step {}; a third "
        "request ends them without another",
        story.step, story.committed ? *story.committed : *story.resumed);
}

void MpirunSupervisor::keep_record_of(const MpirunAttempt& attempt) const {
  AttemptRecord record;
  record.sessions.push_back({attempt.session(), line_.token(), attempt.launch().scratch()});
  if (standby_) record.sessions.push_back(standby_->record());
  record.rank0s = rank0s_;
  keep_record(line_.run_directory(), record);
}

// Tells events.jsonl what has become known since the last time.
void MpirunSupervisor::note_story(const MpirunAttempt& attempt) {
  const AttemptStory& story = line_.story();
  if (told_ == Told::kNothing && !story.run_directory.empty()) {
    told_ = Told::kBegin;
    last_attempt_ = story.attempt;
    events_.set_directory(story.run_directory);
    if (story.pid > 0) rank0s_.emplace_back(story.host, story.pid);
    keep_record_of(attempt);
    events_.add(last_attempt_, "attempt_begin",
                {{"launch", static_cast<std::int64_t>(launches_)},
                 {"ranks", static_cast<std::int64_t>(attempt.ranks())},
                 {"hosts", hosts_.empty() ? std::vector<std::string>{story.host} : hosts_.names()},
                 {"standby", attempt.launch().stood_by()}});
  }
  if (told_ == Told::kBegin && story.stepped) {
    told_ = Told::kTrains;
    EventFields split = attempt_split(story, steady_clock::now() - line_.age());
    if (launches_ > 1) split.emplace_back("after_s", seconds_between(ended_, *story.stepped));
    events_.add(last_attempt_, "attempt_trains", split);
  }
}

void MpirunSupervisor::note_end(const AttemptFacts& facts, Time begin) {
  const AttemptStory& story = line_.story();
  const Time now = steady_clock::now();
  if (told_ == Told::kNothing)
    events_.add(last_attempt_, "attempt_begin",
                {{"launch", static_cast<std::int64_t>(launches_)}, {"hosts", hosts_.names()}});
  EventFields fields = {{"launch", static_cast<std::int64_t>(launches_)},
                        {"code", static_cast<std::int64_t>(facts.code)},
                        {"cause", cause_of(facts)},
                        {"steps_lost", steps_lost(facts, story)},
                        {"lasted_s", seconds_between(begin, now)}};
  if (story.last_word) fields.emplace_back("end_s", seconds_between(*story.last_word, now));
  events_.add(last_attempt_, "attempt_end", fields);
}

bool MpirunSupervisor::is_own_former_life(const AttemptFacts& facts) const {
  if (facts.code != static_cast<int>(ExitCode::kLocked) || !facts.fault) return false;
  return std::any_of(rank0s_.begin(), rank0s_.end(), [&](const auto& one) {
    const std::string owner = fmt::format("host {} pid {}", one.first, one.second);
    const auto at = facts.fault->message.find(owner);
    return at != std::string::npos &&
           !std::isdigit(static_cast<unsigned char>(facts.fault->message[at + owner.size()]));
  });
}

// The job's code when it ends with this.
std::optional<int> MpirunSupervisor::act_on(const Decision& decision, const AttemptFacts& facts) {
  for (const std::string& host : decision.drop_hosts) {
    if (!hosts_.drop(host)) continue;
    log_warning("host {} failed twice: going on without it", host);
    events_.add(last_attempt_, "host_dropped", {{"host", host}});
  }
  if (decision.action != Action::kRestart && decision.action != Action::kWait) {
    const bool told = facts.fault.has_value() || decision.action == Action::kDone ||
                      facts.code == static_cast<int>(ExitCode::kRequeue);
    if (!told || decision.code != facts.code) log_warning("{}; ends with {}", decision.reason, decision.code);
    return finish(decision.code, decision.reason);
  }
  if (decision.action == Action::kWait) standby_.reset();
  const char* const what = decision.action == Action::kWait ? "waiting" : "restarting";
  log_warning("attempt {}: {}; starting attempt {} in {} ms", launches_, decision.reason, launches_ + 1,
              decision.pause.count());
  events_.add(
      last_attempt_, what,
      {{"reason", decision.reason}, {"pause_s", std::chrono::duration<double>(decision.pause).count()}});
  if (pause(decision.pause)) return std::nullopt;
  return finish(128 + stop_.signal(), "stopped on request between two attempts");
}

// False when a request to stop ended it.
bool MpirunSupervisor::pause(milliseconds length) {
  const auto deadline = steady_clock::now() + length;
  for (;;) {
    hear_signals(nullptr);
    if (stop_.signal() != 0) {
      log_warning("stopped on request between two attempts");
      return false;
    }
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds(0)) return true;
    pollfd wanted{signals_.fd(), POLLIN, 0};
    ::poll(&wanted, 1, static_cast<int>(left.count()));
  }
}

int MpirunSupervisor::finish(int code, const std::string& reason) {
  const bool good = code == 0 || code == static_cast<int>(ExitCode::kRequeue) || stop_.signal() != 0;
  if (!good)
    events_.add(last_attempt_, "gave_up", {{"code", static_cast<std::int64_t>(code)}, {"reason", reason}});
  standby_.reset();
  if (!events_.directory().empty()) remove_record(events_.directory());
  // Who asked it to stop knows.
  if (code == 0 || !good) run_on_end(job_.on_end, {code, reason, events_.directory()});
  return code;
}

}  // namespace lockstep
