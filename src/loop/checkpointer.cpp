// SPDX-License-Identifier: Apache-2.0
#include "loop/checkpointer.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <optional>
#include <thread>

#include "comm/agree.h"
#include "lockstep/base/clock.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "loop/replicas.h"
#include "loop/save_plan.h"

namespace lockstep {
namespace {

constexpr int kFailuresInARow = 3;
// Between two looks at a save that is waited for.
constexpr auto kPause = std::chrono::milliseconds(5);

template <class Result>
bool is_ready(const std::future<Result>& task) {
  return !task.valid() || task.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace

// One save from begin to end.
struct Checkpointer::Flight {
  TrainRecord record;
  bool is_best = false;
  PlannedState state;
  std::string rest;                 // Replicas::rest() of what is saved
  std::string digest;               // Replicas::frozen(), once the shard is ready
  std::optional<Digest> there;      // on rank 0: the manifest of this very state, committed before
  std::future<WrittenFile> shard;   // first
  std::vector<WrittenFile> shards;  // on rank 0: of all ranks
  std::optional<std::future<SaveReport>> commit;  // then, on rank 0; on the others without a task
  std::chrono::nanoseconds start{0};

  // A thread for `work`, where fault points see the step of the save. Without checkpoint.async the thread
  // that asks for the result does it.
  template <class Work>
  auto behind(bool async, Work work) const {
    return std::async(async ? std::launch::async : std::launch::deferred,
                      [async, step = record.step, work = std::move(work)] {
                        if (async) set_fault_step_of_thread(step.value);
                        return work();
                      });
  }
};

Checkpointer::Checkpointer(const Parts& parts, CheckpointOptions options)
    : parts_(parts), options_(std::move(options)), freezer_(parts.state), interval_(options_, parts.clock) {}

Checkpointer::~Checkpointer() = default;

void Checkpointer::prepare() {
  if (!options_.async) return;
  const TrainRecord none;
  freezer_.prepare(plan_save(parts_.state, none, options_, parts_.world.size()), parts_.world);
}

bool Checkpointer::compares() const {
  return parts_.replicas != nullptr && parts_.replicas->watches();
}

bool Checkpointer::is_due(Step step, Step last_step) const {
  return step == last_step || clock_asked_ || interval_.due_at(step);
}

void Checkpointer::announce_interval() {
  const std::string every = interval_.text();
  if (every == announced_) return;
  announced_ = every;
  parts_.reporter.event("save_interval", {{"every", every}, {"why", interval_.why()}});
}

double Checkpointer::seconds_since(std::chrono::nanoseconds start) const {
  return std::chrono::duration<double>(parts_.clock.monotonic() - start).count();
}

void Checkpointer::restored(Step step, const Digest& hash) {
  last_step_ = step;
  last_hash_ = hash;
  parts_.reporter.saved(step);
  // The state is that of a save, so this is where the next interval begins.
  interval_.begin();
}

void Checkpointer::save(const TrainRecord& record, SaveReason reason) {
  if (flight_ && reason == SaveReason::kInterval && options_.on_busy == OnBusy::kSkip) {
    parts_.reporter.event(
        "checkpoint_skipped",
        {{"step", std::to_string(record.step.value)},
         {"reason", fmt::format("step {} is still being written", flight_->record.step.value)}});
    return;
  }
  if (flight_) wait_for_the_one_before(record.step);
  take_state();
  begin(record, reason == SaveReason::kBest);
  if (!options_.async) drain();
}

// No save is in flight, so nothing reads what was taken for the one before.
void Checkpointer::take_state() {
  bool changed = false;
  together(parts_.world, [&] { changed = parts_.state.refresh(); });
  if (agree_max(parts_.world, changed).value) prepare();
  // Left out by a test: a rank that calls other collectives than the rest.
  if (!fault_requested("save.agree")) parts_.state.require_alike(parts_.world);
}

void Checkpointer::wait_for_the_one_before(Step step) {
  const Step before = flight_->record.step;
  const auto start = parts_.clock.monotonic();
  drain();
  parts_.reporter.event("checkpoint_waited", {{"step", std::to_string(step.value)},
                                              {"for_step", std::to_string(before.value)},
                                              {"seconds", fmt::format("{:.3f}", seconds_since(start))}});
}

// Runs one part of the save on all ranks. False when it failed, the save is given up, and the run goes on.
template <class Work>
bool Checkpointer::survived(Work&& work) {
  try {
    together(parts_.world, work);
    return true;
  } catch (const AgreedFault& fault) {
    const Step step = flight_->record.step;
    // No thread may still read the state, or write into what is removed now.
    if (options_.async && flight_->shard.valid()) flight_->shard.wait();
    flight_.reset();
    if (parts_.world.is_root()) parts_.store.abandon_save(step);
    if (fault.code() != ExitCode::kStorage || options_.on_error != OnError::kContinue ||
        ++failures_ >= kFailuresInARow)
      throw;
    if (parts_.world.is_root()) log_warning("checkpoint of step {} failed: {}", step.value, fault.what());
    parts_.reporter.event("checkpoint_failed",
                          {{"step", std::to_string(step.value)}, {"reason", fault.what()}});
    return false;
  }
}

void Checkpointer::begin(const TrainRecord& record, bool is_best) {
  flight_ = std::make_unique<Flight>();
  Flight& flight = *flight_;
  flight.record = record;
  flight.is_best = is_best;
  flight.start = parts_.clock.monotonic();
  clock_asked_ = false;
  interval_.begin();
  const bool ready = survived([&] {
    flight.state = plan_save(parts_.state, flight.record, options_, parts_.world.size());
    if (compares()) flight.rest = parts_.replicas->rest();
  });
  if (!ready || !begin_staging()) return;
  if (agree_max(parts_.world, flight.there.has_value()).value)
    start_commit();
  else
    start_writing();
}

// A checkpoint of this step that is there already is compared with the state, which rank 0 then has whole.
bool Checkpointer::begin_staging() {
  Flight& flight = *flight_;
  const bool root = parts_.world.is_root();
  if (parts_.state.is_parted() &&
      agree_max(parts_.world, root && parts_.store.is_there(flight.record.step)).value)
    parts_.state.fetch(parts_.world, flight.state, SavedState::Fetch::kAllOnRoot);
  return survived([&] {
    // What a device has, and host memory not yet.
    if (root && parts_.store.is_there(flight.record.step)) parts_.state.tensors();
    if (root) flight.there = parts_.store.begin_save(flight.state);
  });
}

void Checkpointer::start_writing() {
  parts_.state.fetch(parts_.world, flight_->state, SavedState::Fetch::kOwnPieces);
  survived([&] {
    Flight& flight = *flight_;
    const auto rank = static_cast<std::size_t>(parts_.world.rank().value);
    const bool writes = rank < flight.state.plan.shards.size();
    if (!writes && !compares()) return;
    if (options_.async)
      freezer_.begin(flight.state.tensors, pieces_of_rank(flight.state.plan, parts_.world.rank()),
                     compares());
    flight.shard = flight.behind(options_.async, [this, &flight, rank, writes] {
      // What lives on a device is there to be read when it has been copied, what lives here before it
      // changes.
      const bool here = parts_.state.device().is_cpu() || !options_.async;
      if (compares() && here) flight.digest = parts_.replicas->frozen();
      const auto leaves = options_.async ? freezer_.copy() : std::vector<std::vector<Digest>>();
      if (compares() && !here) flight.digest = parts_.replicas->frozen();
      return writes ? parts_.store.write_shard(flight.state, rank, leaves) : WrittenFile();
    });
  });
}

void Checkpointer::start_commit() {
  Flight& flight = *flight_;
  std::string mine;
  const bool written = survived([&] {
    if (!flight.shard.valid()) return;
    const WrittenFile shard = flight.shard.get();
    if (compares()) mine = encode_copy(parts_.replicas->copy(flight.digest, flight.rest)) + "\n";
    if (!shard.name.empty()) mine += encode_file(shard);
  });
  parts_.state.let_go();
  if (!written || give_up_spoiled() || !take_shards(gather_on_root(parts_.world, mine))) return;
  flight.commit.emplace();
  if (!parts_.world.is_root()) return;
  flight.commit = flight.behind(options_.async, [this, &flight] {
    parts_.reporter.flush();
    return flight.there ? parts_.store.repeat_save(flight.state, *flight.there, flight.is_best)
                        : parts_.store.commit_save(flight.state, flight.shards, flight.is_best);
  });
}

// Bytes of two moments are no state. True: the save is over.
bool Checkpointer::give_up_spoiled() {
  const std::string what = options_.async ? freezer_.spoiled() : "";
  const Step step = flight_->record.step;
  if (!agree_max(parts_.world, !what.empty()).value) return false;
  flight_.reset();
  const std::vector<std::string> of_ranks = gather_on_root(parts_.world, what);
  const auto changed = std::ranges::find_if(of_ranks, [](const std::string& one) { return !one.empty(); });
  if (!parts_.world.is_root()) return true;
  parts_.store.abandon_save(step);
  const auto rank = std::to_string(changed - of_ranks.begin());
  log_warning(
      "the save of step {} is given up: {} was changed while it was copied on rank {}; change parameters "
      "only between backward() and after()",
      step.value, *changed, rank);
  parts_.reporter.event("checkpoint_void",
                        {{"step", std::to_string(step.value)}, {"tensor", *changed}, {"rank", rank}});
  return true;
}

// On rank 0, what all have brought.
bool Checkpointer::take_shards(const std::vector<std::string>& of_ranks) {
  const auto take = [&] {
    std::vector<ReplicaCopy> copies;
    for (const std::string& text : of_ranks) {
      const std::size_t shard = compares() ? text.find('\n') + 1 : 0;
      if (shard > 0) copies.push_back(decode_copy(text.substr(0, shard - 1)));
      if (text.size() > shard) flight_->shards.push_back(decode_file(std::string_view(text).substr(shard)));
    }
    if (!copies.empty()) parts_.replicas->compare(flight_->record.step, copies, last_step_);
  };
  if (compares()) return survived(take);
  take();
  return true;
}

void Checkpointer::finish() {
  SaveReport report;
  const bool committed = survived([&] {
    if (flight_->commit->valid()) report = flight_->commit->get();
  });
  if (!committed) return;
  const Flight flight = std::move(*flight_);
  flight_.reset();
  failures_ = 0;
  last_step_ = flight.record.step;
  last_hash_ = report.state_hash;
  const double seconds = seconds_since(flight.start);
  interval_.took(std::chrono::duration<double>(seconds));
  save_times_.took(seconds);
  for (const std::string& name : report.pruned)
    parts_.reporter.event("checkpoint_pruned", {{"directory", name}});
  parts_.reporter.event("checkpoint_saved", {{"step", std::to_string(last_step_.value)},
                                             {"directory", report.directory},
                                             {"layout", flight.state.plan.layout},
                                             {"bytes", std::to_string(report.bytes)},
                                             {"seconds", fmt::format("{:.3f}", seconds)},
                                             {"state_hash", report.state_hash.hex()}});
  parts_.reporter.saved(last_step_);
  announce_interval();
}

bool Checkpointer::reached(bool mine) {
  return agree_min(parts_.world, mine).value;
}

void Checkpointer::poll() {
  if (!flight_) return;
  if (!flight_->commit) {
    if (reached(is_ready(flight_->shard))) start_commit();
  } else if (reached(is_ready(*flight_->commit))) {
    finish();
  }
}

void Checkpointer::drain() {
  // get() of a task that is not ready waits for it.
  if (flight_ && !flight_->commit) start_commit();
  if (flight_) finish();
}

bool Checkpointer::drain_by(std::optional<std::chrono::nanoseconds> deadline) {
  if (!deadline) drain();
  while (flight_) {
    poll();
    if (!flight_) break;
    if (agree_max(parts_.world, parts_.clock.monotonic() >= *deadline).value) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

std::optional<Checkpointer::InFlight> Checkpointer::in_flight() const {
  if (!flight_) return std::nullopt;
  return InFlight{flight_->record.step, seconds_since(flight_->start)};
}

void Checkpointer::release_state() {
  if (flight_) freezer_.release();
}

void Checkpointer::require(Step step) {
  drain();
  const Agreed<Step> newest = agree_min(parts_.world, last_step_);
  if (newest.value < step)
    throw AgreedFault(ExitCode::kStorage,
                      fmt::format("step {} could not be saved; the newest checkpoint is that of step {}",
                                  step.value, newest.value.value),
                      "Make room or repair the disk, then start again: it goes on from there");
}

void Checkpointer::add_evaluation(const TrainRecord& record, bool is_best) {
  SaveReport report;
  on_root(parts_.world, [&] { report = parts_.store.add_evaluation(record, is_best); });
  for (const std::string& name : report.pruned)
    parts_.reporter.event("checkpoint_pruned", {{"directory", name}});
}

}  // namespace lockstep
