// SPDX-License-Identifier: Apache-2.0
#include "supervise/slurm/supervisor.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <thread>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "run/run_lock.h"
#include "supervise/on_end.h"
#include "supervise/signal_inbox.h"

namespace lockstep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr int kLooksEveryMs = 200;
// A program that says nothing gets its request after this long all the same.
constexpr seconds kRanksAreUp{10};
// What a new attempt is worth beginning for.
constexpr seconds kWorthAStart{30};
constexpr int kSrunsOwn = 1;
constexpr seconds kLonelyFor{10};

std::int64_t now_s() {
  return std::time(nullptr);
}

int number(ExitCode code) {
  return static_cast<int>(code);
}

void sleep_for(seconds length) {
  std::this_thread::sleep_for(length);
}

// The lock says "host n1 pid 17093 job 57".
bool is_own_lock(const std::string& run_directory, const std::string& job) {
  const auto owner = lock_owner(run_directory);
  return owner && owner->ends_with(" job " + job);
}

}  // namespace

SlurmSupervisor::SlurmSupervisor(SlurmRunOptions options, SignalInbox& signals, LineServer& ranks)
    : options_(std::move(options)),
      signals_(&signals),
      ranks_(&ranks),
      controller_(options_.place, run_command, sleep_for),
      memory_(options_.place.name(), options_.run_directory),
      events_(options_.place, options_.run_directory) {}

int SlurmSupervisor::run() {
  learn_the_job();
  for (;;) {
    const AttemptFacts facts = attempt();
    if (requeued_) return *requeued_;
    if (const auto code = after(facts)) return *code;
  }
}

void SlurmSupervisor::learn_the_job() {
  if (options_.place.job.empty() || options_.place.in_step)
    throw Fault(ExitCode::kCannotStart, "run --slurm: this is no batch job of Slurm's",
                "Submit it: lockstep slurm init writes the script for sbatch");
  const auto job = controller_.job();
  if (!job)
    throw Fault(ExitCode::kCannotStart, "Slurm says nothing of job " + options_.place.name(),
                "Look at scontrol show job there");
  job_ = *job;
  grace_s_ = controller_.grace_s(job_);
}

std::vector<std::string> SlurmSupervisor::command() const {
  std::vector<std::string> words = {"env", "LOCKSTEP_SUPERVISOR=" + ranks_->address(),
                                    fmt::format("LOCKSTEP_GRACE_S={}", grace_s_)};
  if (job_.end_time > 0) words.push_back(fmt::format("LOCKSTEP_END_TIME={}", job_.end_time));
  words.insert(words.end(), {"srun", "--mpi=pmix", "-K1"});
  if (const int ranks = options_.ranks_per_node; ranks > 0)
    words.insert(words.end(), {fmt::format("--ntasks-per-node={}", ranks),
                               fmt::format("--ntasks={}", ranks * options_.place.nodes)});
  words.insert(words.end(), options_.program.begin(), options_.program.end());
  // Once something is saved, going on is right whatever was asked for at the first start.
  const auto& more = ranks_->committed_ever() ? options_.go_on : options_.first;
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

AttemptFacts SlurmSupervisor::attempt() {
  passed_on_ = 0;
  bereft_ = false;
  ranks_->begin_attempt();
  events_.launched();
  SlurmStep step(command());
  while (!step.ended()) watch_over(step);
  hear_ranks();
  return facts_of(step, *step.ended());
}

void SlurmSupervisor::watch_over(SlurmStep& step) {
  std::vector<pollfd> wanted = {
      {step.said(), POLLIN, 0}, {signals_->fd(), POLLIN, 0}, {ranks_->fd(), POLLIN, 0}};
  ::poll(wanted.data(), wanted.size(), kLooksEveryMs);
  step.listen();
  hear_ranks();
  hear_signals();
  if (asked_ != Asked::kNo) hand_on_request(step);
  end_the_bereft(step);
  // Whoever is still there at the end of the time is ended by Slurm; the job must be back in the queue
  // before.
  if (job_.end_time > 0 && now_s() >= job_.end_time && !requeued_)
    requeued_ = back_into_the_queue("the ranks are still there at the end of the job's time");
}

void SlurmSupervisor::hear_ranks() {
  ranks_->hear();
  const AttemptStory& story = ranks_->story();
  if (!story.run_directory.empty()) memory_.recall(story.run_directory);
  events_.heard(story, job_.nodes);
}

void SlurmSupervisor::hear_signals() {
  for (const int signal : signals_->take()) {
    if (signal == SIGTERM) slurm_ends_us();
    if (signal == SIGUSR1 && asked_ == Asked::kNo) asked_ = Asked::kLead;
    if (signal == SIGINT || signal == SIGHUP) asked_ = Asked::kPerson;
  }
}

void SlurmSupervisor::slurm_ends_us() {
  if (requeued_) return;
  const auto job = controller_.job();
  if (!job) return;
  const SlurmStanding standing = standing_of(*job, options_.place.restarts);
  if (standing == SlurmStanding::kOurs && job->state != "RUNNING")
    requeued_ = back_into_the_queue("the job's time is up");
  taken_ = standing != SlurmStanding::kOurs;
  // Only this shell was told.
  if (standing == SlurmStanding::kOurs && job->state == "RUNNING" && asked_ == Asked::kNo)
    asked_ = Asked::kLead;
}

void SlurmSupervisor::hand_on_request(SlurmStep& step) {
  const bool up = ranks_->story().reach() >= Reach::kRanks;
  const bool old = ranks_->age() >= kRanksAreUp;
  // srun drops what comes before its ranks are up.
  if ((up && passed_on_ < 2) || (old && passed_on_ < 1)) {
    log_info("asking the ranks to save and stop");
    step.send(SIGUSR1);
    passed_on_ = up ? 2 : 1;
  }
}

void SlurmSupervisor::end_the_bereft(SlurmStep& step) {
  if (bereft_ || !step.lost_a_rank()) return;
  const auto alone = steady_clock::now() - *step.lost_a_rank();
  if (alone < seconds(grace_s_) + kLonelyFor) return;
  log_warning("ranks are still there {} s after one was lost: ending them",
              std::chrono::duration_cast<seconds>(alone).count());
  step.send(SIGKILL);
  bereft_ = true;
}

AttemptFacts SlurmSupervisor::facts_of(const SlurmStep& step, int code) const {
  const AttemptStory& story = ranks_->story();
  AttemptFacts facts = ranks_->facts();
  // The ranks know better than srun, which returns the highest of their codes.
  if (!story.fault && !story.ended) facts.code = code;
  facts.detail = step.complaint();
  if (asked_ == Asked::kPerson) facts.stop_signal = SIGINT;
  const std::string& directory =
      options_.run_directory.empty() ? story.run_directory : options_.run_directory;
  if (facts.code == number(ExitCode::kLocked) && is_own_lock(directory, options_.place.job))
    facts.circumstance = Circumstance::kFormerLife;
  const bool began = facts.reach != Reach::kNothing;
  const bool is_own = options_.run_directory.empty();  // a program that need not speak to anybody
  const bool by_program = code >= number(ExitCode::kUsage) && code < 128;
  if (!began && !by_program && code != 0 && (!step.complaint().empty() || (code == kSrunsOwn && !is_own)))
    facts.circumstance = Circumstance::kLauncher;
  if (is_own && !began) facts.reach = Reach::kUnknown;
  if (asked_ == Asked::kLead && facts.code == number(ExitCode::kRequeue))
    facts.circumstance = Circumstance::kTimeLimit;
  return facts;
}

std::optional<int> SlurmSupervisor::after(const AttemptFacts& facts) {
  const auto now = controller_.job();
  if (bereft_) controller_.end_steps();
  const SlurmStanding standing = now ? standing_of(*now, options_.place.restarts) : SlurmStanding::kOurs;
  History history = memory_.history();
  PolicyOptions policy;
  policy.can_requeue = job_.may_requeue;
  const Decision decision = judge(policy, facts, history);
  events_.ended(facts, ranks_->story(), decision.reason);
  if (decision.action == Action::kDone) {
    memory_.keep(history);
    return finish(0, decision.reason);
  }
  if (standing == SlurmStanding::kRequeued) {
    log_info("{}; Slurm has put the job back into the queue", meaning_of(facts.code));
    return facts.code;
  }
  if (standing == SlurmStanding::kCancelled) {
    log_info("{}; the job was cancelled and is not put back into the queue", meaning_of(facts.code));
    return facts.code;
  }
  memory_.keep(history);
  if (decision.action == Action::kGiveUp) {
    log_info("ended: {}", decision.reason);
    return finish(decision.code, decision.reason);
  }
  if (decision.action == Action::kRequeue) return back_into_the_queue(decision.reason);
  log_warning("attempt {} ended: {}; again in {} ms", history.attempts, decision.reason,
              decision.pause.count());
  events_.next(decision.action == Action::kWait ? "waiting" : "restarting", decision.reason);
  const bool time_left =
      job_.end_time == 0 || now_s() + decision.pause / seconds(1) + kWorthAStart.count() < job_.end_time;
  if (!time_left && job_.may_requeue)
    return back_into_the_queue("too little is left of the job's time for another attempt");
  if (pause(decision.pause)) return std::nullopt;
  if (requeued_ || taken_) return requeued_.value_or(facts.code);
  return back_into_the_queue("asked to stop between two attempts");
}

int SlurmSupervisor::finish(int code, const std::string& reason) {
  if (code != 0 && code != number(ExitCode::kRequeue)) events_.next("gave_up", reason);
  const std::string& heard = ranks_->story().run_directory;
  run_on_end(options_.on_end, {code, reason, heard.empty() ? options_.run_directory : heard});
  return code;
}

int SlurmSupervisor::back_into_the_queue(const std::string& why) {
  const int code = number(ExitCode::kRequeue);
  switch (controller_.requeue()) {
    case Requeue::kDone:
      events_.next("requeued", why);
      log_info("{}: back into the queue", why);
      break;
    case Requeue::kRefused:
      log_warning("{}: not put back into the queue; submit the job again to go on", why);
      break;
    case Requeue::kUnheard:
      log_warning("{}: Slurm's controller does not answer; submit the job again to go on", why);
      break;
  }
  return code;
}

bool SlurmSupervisor::pause(milliseconds length) {
  const auto end = steady_clock::now() + length;
  for (auto now = steady_clock::now(); now < end; now = steady_clock::now()) {
    pollfd wanted{signals_->fd(), POLLIN, 0};
    ::poll(&wanted, 1, static_cast<int>(std::chrono::duration_cast<milliseconds>(end - now).count()) + 1);
    hear_signals();
    if (requeued_ || taken_ || asked_ != Asked::kNo) return false;
  }
  return true;
}

}  // namespace lockstep
