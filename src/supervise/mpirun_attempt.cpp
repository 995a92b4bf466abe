// SPDX-License-Identifier: Apache-2.0
#include "supervise/mpirun_attempt.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// mpirun has this long to end by itself after a rank has said its last word.
constexpr seconds kAfterTheLastWord{15};
// The ranks of a program that does not speak can hear a signal by then; so can one that hangs in its start.
constexpr seconds kSilentOnesHear{1};
constexpr seconds kStartTakes{20};
// After a KILL: mpirun itself, then what nobody can end.
constexpr seconds kMpirunHas{3};
constexpr seconds kAnybodyHas{8};
constexpr milliseconds kOnTheirWay{500};
constexpr milliseconds kALook{10};

void write_all(const std::string& text) {
  // A terminal that is gone is no reason to end.
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(STDERR_FILENO, text.data() + done, text.size() - done);
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace

MpirunAttempt::MpirunAttempt(const Parts& parts, std::unique_ptr<MpirunLaunch> launch)
    : parts_(parts), launch_(std::move(launch)), words_(parts.hosts.names()) {
  parts_.line.begin_attempt(launch_->address());
}

bool MpirunAttempt::tend() {
  parts_.line.hear();
  write_all(words_.take(launch_->mpirun().read_said()));
  if (launch_->mpirun().ended() || abandoned_) return true;
  hand_on_request();
  const auto& last = parts_.line.story().last_word;
  if (!killed_at_ && last && steady_clock::now() - *last > kAfterTheLastWord) {
    log_warning("a rank has left and mpirun does not end: ending it");
    kill();
  }
  if (killed_at_) go_on_killing();
  return launch_->mpirun().ended() || abandoned_;
}

void MpirunAttempt::ask_to_stop() {
  if (request_ == Request::kNone) request_ = Request::kWaiting;
  hand_on_request();
}

void MpirunAttempt::ask_to_save() {
  if (!parts_.line.run_directory().empty()) launch_->mpirun().send(SIGUSR2);
}

void MpirunAttempt::hand_on_request() {
  if (request_ != Request::kWaiting) return;
  const bool up = !parts_.line.run_directory().empty();
  const auto patience = parts_.job.speaks ? kStartTakes : kSilentOnesHear;
  if (!up && parts_.line.age() < patience) return;
  request_ = Request::kSent;
  launch_->mpirun().send(SIGUSR1);
}

void MpirunAttempt::kill() {
  if (killed_at_) return;
  killed_at_ = steady_clock::now();
  launch_->mpirun().send(SIGTERM);  // it ends what runs on other hosts
  go_on_killing();
}

void MpirunAttempt::go_on_killing() {
  const auto since = steady_clock::now() - *killed_at_;
  for (const pid_t process : members_of(launch_->mpirun().id()))
    if (process != launch_->mpirun().id() || since > kMpirunHas) ::kill(process, SIGKILL);
  abandoned_ = since > kAnybodyHas;
}

// What a daemon of mpirun cannot end any more, because mpirun is gone before it.
void MpirunAttempt::end_remote_ranks() {
  const std::string script = fmt::format(
      "for f in /proc/[0-9]*/environ; do if grep -qs 'LOCKSTEP_SUPERVISOR={}' \"$f\"; then p=${{f#/proc/}}; "
      "kill -KILL \"${{p%/environ}}\"; fi; done",
      parts_.line.token());
  std::vector<std::unique_ptr<ProcessSession>> sweeps;
  for (const std::string& host : parts_.hosts.names())
    if (!is_here(host))
      sweeps.push_back(std::make_unique<ProcessSession>(
          std::vector<std::string>{"timeout", "10", "ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=4",
                                   host, script},
          std::map<std::string, std::string>{}));
  for (const auto& sweep : sweeps)
    while (!sweep->ended()) std::this_thread::sleep_for(milliseconds(20));
}

Circumstance MpirunAttempt::circumstance(const AttemptFacts& facts) const {
  const bool told = facts.fault && facts.fault->code != static_cast<int>(ExitCode::kPeerLost);
  if (told || facts.code == static_cast<int>(ExitCode::kDone)) return Circumstance::kNone;
  if (words_.circumstance() != Circumstance::kNone) return words_.circumstance();
  const bool from_outside = launch_->mpirun().killed() && !killed_at_;
  return from_outside ? Circumstance::kLauncher : Circumstance::kNone;
}

AttemptFacts MpirunAttempt::facts() {
  parts_.line.hear();
  write_all(words_.take(launch_->mpirun().read_said()) + words_.rest());
  const AttemptStory& story = parts_.line.story();
  AttemptFacts facts = parts_.line.facts();
  if (!parts_.job.speaks && facts.reach == Reach::kNothing) facts.reach = Reach::kUnknown;
  if (!story.fault && !story.ended) facts.code = launch_->mpirun().ended().value_or(128 + SIGKILL);
  facts.circumstance = circumstance(facts);
  facts.detail = words_.detail();
  if (!killed_at_ && facts.code == 128 + SIGKILL && memory_kills_.any())
    facts.remark =
        "the kernel of this host ended a process for want of memory; fewer ranks here, or a smaller "
        "train.micro_batch, need less";
  facts.bad_hosts = words_.bad_hosts();
  if (facts.fault && !facts.fault->host.empty()) facts.bad_hosts = {facts.fault->host};
  // Where nothing else says why no rank began, mpirun's own words are all there is.
  if (facts.reach == Reach::kNothing && facts.code != 0) write_all(words_.blocks());

  // Ranks that said why they leave are on their way.
  if (facts.fault && facts.fault->code != static_cast<int>(ExitCode::kPeerLost))
    for (int i = 0; i < kOnTheirWay / kALook && !members_of(launch_->mpirun().id()).empty(); ++i)
      std::this_thread::sleep_for(kALook);
  const auto left_over = members_of(launch_->mpirun().id());
  for (const pid_t process : left_over)
    if (!killed_at_) log_info("ending process {}, left over from this attempt", process);
  const auto left = end_session(launch_->mpirun().id(), seconds(5));
  if (!left.empty())
    log_warning("process {} cannot be ended: it waits for a device or a file system; it is left",
                fmt::join(left, ", "));
  if (launch_->mpirun().killed() || abandoned_) end_remote_ranks();
  return facts;
}

}  // namespace lockstep
