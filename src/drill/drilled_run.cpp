// SPDX-License-Identifier: Apache-2.0
#include "drill/drilled_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <thread>
#include <utility>

#include "base/seconds_between.h"
#include "drill/drill_plan.h"
#include "drill/life_story.h"
#include "drill/rank_processes.h"
#include "drill/strike.h"
#include "drill/supervised_child.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Time = steady_clock::time_point;

// A step can be as short as this.
constexpr milliseconds kTick{1};
// To look through all processes more often would take time from the start of those that are waited for.
constexpr milliseconds kBetweenLooks{20};
constexpr int kMostFruitless = 2;
constexpr int kEndedByUs = 128 + SIGTERM;

class Driver {
 public:
  Driver(const RunOrder& order, const std::vector<Disturbance>& faults)
      : order_(order), story_(order.directory) {
    for (const Disturbance& fault : faults) run_.faults.push_back({.plan = fault});
  }

  DrilledRun drive();

 private:
  void start(std::size_t life);
  bool starts_again();
  void tend();
  void watch_for_the_moment();
  void strike();
  void watch_for_the_notice();
  void note_end();
  void note_comeback();
  void next();
  void look_for_the_rank();
  void note_the_start();
  bool has_come(const Disturbance& plan);
  bool may_be_fruitless() const;
  StruckFault& fault() { return run_.faults[at_]; }

  const RunOrder& order_;
  LifeStory story_;
  DrilledRun run_;
  std::unique_ptr<SupervisedChild> child_;
  std::unique_ptr<Strike> strike_;
  Time looked_at_;                                  // for its rank
  bool starts_ = false;                             // its rank's life: it has ended no step yet
  std::optional<double> start_s_;                   // of the last life that ended one, until then
  std::optional<Time> moment_;                      // to strike, once the step has ended
  std::optional<Time> struck_;                      // and nobody has noticed it yet
  std::size_t at_ = 0;                              // the fault that strikes next, or has struck
  std::vector<std::pair<std::size_t, Time>> open_;  // those that were noticed, and when; no life trains since
  int ends_ = 0;                                    // that were judged
  int lives_ = 0;                                   // that had trained when the last one was struck
  int fruitless_ = 0;            // lives in a row that were struck before they made a commit
  int failed_saves_ = 0;         // before the strike
  std::size_t started_for_ = 0;  // at_ when it was started again by hand
};

// The supervisor gets the ranks of all lives that are to come: it restarts by itself.
void Driver::start(std::size_t life) {
  std::vector<std::string> words = order_.program;
  if (order_.launcher == Launcher::kSlurm) {
    words.emplace_back("--slurm");
  } else {
    std::vector<int> ranks;
    for (; life <= run_.faults.size(); ++life) ranks.push_back(ranks_of_life(order_.ranks, life));
    words.insert(words.end(), {"-n", fmt::format("{}", fmt::join(ranks, ","))});
  }
  words.insert(words.end(), order_.config.begin(), order_.config.end());
  child_ = std::make_unique<SupervisedChild>(words, order_.log);
}

DrilledRun Driver::drive() {
  const Time begin = steady_clock::now();
  Time news = begin;
  start(0);
  for (;;) {
    const bool over = child_->ended().has_value();
    if (story_.read()) news = steady_clock::now();
    tend();
    if (over && !starts_again()) break;
    if (steady_clock::now() - news > order_.patience) {
      run_.finds.push_back(
          fmt::format("no news for {} s; {}", order_.patience.count(), family_of(child_->pid())));
      break;
    }
    std::this_thread::sleep_for(kTick);
  }
  run_.code = child_->ended().value_or(kEndedByUs);
  child_.reset();
  if (run_.code == 0 && !story_.done()) run_.finds.emplace_back("it ended with 0 and its journal has no end");
  if (const auto& step = story_.contradiction())
    run_.finds.push_back(fmt::format("step {} was saved twice, with different bits", *step));
  run_.seconds = seconds_between(begin, steady_clock::now());
  run_.commits = story_.commits();
  return run_;
}

// A full disk ends the supervisor, and a person makes room and starts it again: so is it done here.
bool Driver::starts_again() {
  const int code = *child_->ended();
  const bool storage =
      code == static_cast<int>(ExitCode::kStorage) || code == static_cast<int>(ExitCode::kRunDirectory);
  if (!storage || open_.empty() || run_.faults[open_.back().first].plan.kind != FaultKind::kFullDisk)
    return false;
  if (std::exchange(started_for_, at_) == at_) return false;  // room did not help
  start(open_.back().first + 1);
  return true;
}

void Driver::tend() {
  // A life may be over when its first step is seen; after the last step's commit there is none left to train.
  const bool is_over = story_.ends() > ends_ && story_.last_end().code == 0;
  if (!open_.empty() && (story_.lives() > lives_ || is_over)) note_comeback();
  if (struck_)
    watch_for_the_notice();
  else if (story_.ends() > ends_)
    note_end();
  else if (at_ < run_.faults.size())
    watch_for_the_moment();
}

void Driver::look_for_the_rank() {
  if (steady_clock::now() - looked_at_ < kBetweenLooks) return;
  const Disturbance& plan = fault().plan;
  const pid_t rank = order_.launcher == Launcher::kSlurm ? slurm_rank_process(order_.directory, plan.rank)
                                                         : rank_process(child_->pid(), plan.rank);
  strike_ = Strike::of(rank, plan.kind);
  starts_ = strike_ && !story_.trains();
  looked_at_ = steady_clock::now();
}

void Driver::note_the_start() {
  if (!starts_ || !story_.trains()) return;
  start_s_ = strike_->age_s();
  starts_ = false;
}

// A supervisor takes the third restart in a row without a commit for no progress. A fault in a start leaves
// no time for one.
bool Driver::may_be_fruitless() const {
  if (story_.has_committed_in_this_life()) return true;
  const bool start_is_next = at_ + 1 < run_.faults.size() && run_.faults[at_ + 1].plan.step == 0;
  return fruitless_ + (start_is_next ? 1 : 0) < kMostFruitless;
}

void Driver::watch_for_the_moment() {
  const Disturbance& plan = fault().plan;
  // One that was found while a supervisor ended may have waited for a life that never began.
  if (strike_ && strike_->ended()) strike_.reset();
  if (!strike_) {
    look_for_the_rank();
    return;
  }
  note_the_start();
  if (has_come(plan)) strike();
}

bool Driver::has_come(const Disturbance& plan) {
  // A start that is shorter than the one before is over with its first step.
  if (plan.step == 0) return story_.trains() || (start_s_ && strike_->age_s() >= plan.part * *start_s_);
  if (story_.step() < plan.step || !may_be_fruitless()) return false;
  if (!moment_)
    moment_ = steady_clock::now() +
              std::chrono::duration_cast<steady_clock::duration>(story_.step_time() * plan.part);
  return steady_clock::now() >= *moment_;
}

void Driver::strike() {
  const Time now = steady_clock::now();
  if (!strike_->now(order_.directory)) return strike_.reset();  // it ended just now
  fruitless_ = story_.has_committed_in_this_life() ? 0 : fruitless_ + 1;
  failed_saves_ = story_.failed_saves();
  fault().step = story_.step();
  struck_ = now;
}

void Driver::watch_for_the_notice() {
  if (story_.ends() > ends_) {
    note_end();
  } else if (story_.failed_saves() > failed_saves_) {
    // Training goes on without this save: nothing has to come back.
    strike_->undo();
    fault().detect_s = seconds_between(*struck_, steady_clock::now());
    fault().resumed_from = fault().step;
    next();
  }
}

void Driver::note_end() {
  const LifeEnd& end = story_.last_end();
  ends_ = story_.ends();
  strike_.reset();
  if (!struck_ && end.code != 0) run_.finds.push_back("a life ended that nothing had struck: " + end.cause);
  if (!struck_) return;
  // What came after the last word of a run does not count.
  if (end.code != 0) {
    const Time noticed = steady_clock::now() - std::chrono::duration_cast<steady_clock::duration>(
                                                   std::chrono::duration<double>(end.since_s));
    fault().detect_s = std::max(0.0, seconds_between(*struck_, noticed));
    fault().newest = end.step;
    fault().newest_commit = story_.newest_commit();
    lives_ = story_.lives();
    open_.emplace_back(at_, noticed);
  }
  next();
}

void Driver::note_comeback() {
  for (const auto& [at, noticed] : open_) {
    StruckFault& back = run_.faults[at];
    back.restart_s = seconds_between(noticed, steady_clock::now());
    back.next_ranks = story_.ranks();
    back.resumed_from = story_.lives() > lives_ ? story_.resumed_from() : story_.newest_commit();
    log_info("{} of rank {} after step {}: noticed after {:.2f} s, trains again after {:.2f} s more",
             word_for(back.plan.kind), back.plan.rank, back.step, *back.detect_s, *back.restart_s);
  }
  open_.clear();
}

void Driver::next() {
  ++at_;
  moment_.reset();
  struck_.reset();
  strike_.reset();
}

}  // namespace

DrilledRun drill(const RunOrder& order, const std::vector<Disturbance>& faults) {
  return Driver(order, faults).drive();
}

std::int64_t StruckFault::steps_lost() const {
  return restart_s && newest > resumed_from ? newest - resumed_from : 0;
}

bool compare_commits(const DrilledRun& undisturbed, DrilledRun& disturbed) {
  bool all = true;
  for (const auto& [step, hash] : disturbed.commits) {
    const auto other = undisturbed.commits.find(step);
    if (other == undisturbed.commits.end()) continue;
    const bool same = other->second == hash;
    all = all && same;
    for (StruckFault& fault : disturbed.faults)
      if (fault.struck() && step > fault.resumed_from && !fault.same) fault.same = same;
  }
  return all && !undisturbed.commits.empty() && !disturbed.commits.empty() &&
         *undisturbed.commits.rbegin() == *disturbed.commits.rbegin();
}

}  // namespace lockstep
