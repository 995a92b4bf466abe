// SPDX-License-Identifier: Apache-2.0
#include "lockstep/loop/checkpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "base/run_layout.h"
#include "comm/agree.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "lockstep/base/random.h"
#include "loop/begin_store.h"
#include "loop/best_so_far.h"
#include "loop/checkpointer.h"
#include "loop/data_parallel_parts.h"
#include "loop/environment.h"
#include "loop/loop_state.h"
#include "loop/opened_run.h"
#include "loop/replicas.h"
#include "loop/resume.h"
#include "loop/same_lines.h"
#include "loop/save_at_stop.h"
#include "loop/save_options.h"
#include "loop/session_over.h"
#include "loop/standard_streams.h"
#include "loop/stop_policy.h"
#include "run/stop_signals.h"
#include "run/supervisor_line.h"

namespace lockstep {
namespace {

using Values = std::map<std::string, double>;

// Keeps this use of the generator apart from dropout's.
constexpr std::uint64_t kLoopStream = 0x6c6f6f70;

// Note [draws of a loop]: a loop may draw from LibTorch's default generator anywhere. backward() and
// evaluate() leave it as they found it, however many micro-batches this rank had, and each step begins with
// one that follows from the program's own seed and the step: the same after a resume.
void begin_draws(std::uint64_t seed, std::int64_t step) {
  torch::manual_seed(mix_key({kLoopStream, seed, static_cast<std::uint64_t>(step)}));
}

std::string text_of(const Values& values) {
  std::string text;
  for (const auto& [name, value] : values) text += fmt::format(", {} {}", name, value);
  return text;
}

}  // namespace

struct Checkpoints::Parts {
  Parts(Session& of, const std::string& directory, const SaveOptions& chosen);

  World& world() { return session.world; }
  // What is wrong with it waits for the next verb: there all ranks can say so together.
  void add(const std::string& name, const std::function<std::unique_ptr<Added>()>& make);
  std::string checkpoints() const { return RunLayout(run.directory).checkpoints(); }
  std::int64_t begin_run();
  void make_savers();
  TrainRecord record_of(const StepRecord& step) const;
  StepRecord step_record(Step step, const Values& values) const;
  bool is_best(const StepRecord& step);
  Stop look_at_stop(const StepRecord& step);
  void finish(const StepRecord& step);

  std::unique_ptr<Session> own;
  Session::Parts& session;
  SaveOptions options;
  CheckpointOptions checkpoint;
  OpenedRun run;
  LoopState state;
  std::unique_ptr<CheckpointStore> store;
  std::unique_ptr<Replicas> replicas;
  std::unique_ptr<Checkpointer> saver;
  std::unique_ptr<StopPolicy> stops;
  BestSoFar best;
  Environment environment;
  std::optional<std::int64_t> next;  // the step after() expects; none before resume()
  std::optional<Fault> wrong;        // with what was added
  std::uint64_t seed = 0;            // what the program gave to torch::manual_seed()
  std::list<std::function<void()>>::iterator release;
};

Checkpoints::Parts::Parts(Session& of, const std::string& directory, const SaveOptions& chosen)
    : session(of.parts()),
      options(chosen),
      checkpoint(checkpoint_options(chosen)),
      state(session),
      best(checkpoint.keep_best) {
  session.begin_verb("Checkpoints()");
  together(world(), [&] { require_sane(options); });
  const std::string lines = fmt::format("directory {}\n{}", directory, lines_of(options));
  require_same_lines(world(), lines, [&](const std::string& here, const std::string& root) {
    return Fault(
        ExitCode::kConfig,
        fmt::format("the options of Checkpoints are not the same on all ranks: '{}' on rank {}, '{}' "
                    "on rank 0",
                    here, world().rank().value, root),
        "Give the same directory and SaveOptions on every rank");
  });
  RunToOpen wanted;
  wanted.name = std::filesystem::path(directory).lexically_normal().filename().string();
  wanted.dir = directory;
  wanted.config_text = config_text(options, directory);
  wanted.log_every = options.log_every;
  wanted.tensorboard = options.tensorboard;
  run = open_run(world(), wanted);
  release = session.before_update.insert(session.before_update.end(), [this] {
    if (saver) saver->release_state();
  });
}

void Checkpoints::Parts::add(const std::string& name, const std::function<std::unique_ptr<Added>()>& make) {
  if (wrong) return;
  try {
    if (next)
      throw Fault(ExitCode::kConfig, fmt::format("'{}' was added to the checkpoints after resume()", name),
                  "Add everything before resume(): it fills what was added");
    state.add(make());
  } catch (const Fault& fault) {
    wrong = fault;
  }
}

void Checkpoints::Parts::make_savers() {
  store = std::make_unique<CheckpointStore>(
      checkpoints(), checkpoint, *run.disk,
      [this](const std::string& event, const auto& fields) { run.reporter.event(event, fields); });
  begin_store(world(), *store, room_for_one_checkpoint(state.bytes()), run.attempt);
  replicas = std::make_unique<Replicas>(
      Replicas::Parts{world(), *run.disk, run.reporter, state, run.directory}, session.fast ? 0 : 1);
  saver = std::make_unique<Checkpointer>(
      Checkpointer::Parts{world(), state, *store, run.reporter, real_clock(), replicas.get()}, checkpoint);
  saver->prepare();
  stops = std::make_unique<StopPolicy>(StopPolicy::Parts{
      world(), real_clock(), run.reporter, session.stop_times, static_cast<double>(state.bytes())});
  if (world().is_root()) saver->remember(save_times_of(*run.disk, RunLayout(run.directory).events()));
}

std::int64_t Checkpoints::Parts::begin_run() {
  std::string added;
  together(world(), [&] { added = state.description(); });
  require_same_lines(world(), added, [&](const std::string& here, const std::string& root) {
    return Fault(ExitCode::kConfig,
                 fmt::format("what was added to the checkpoints is not the same on all ranks: '{}' on rank "
                             "{}, '{}' on rank 0",
                             here, world().rank().value, root),
                 "Add the same things, in the same order, on every rank");
  });
  together(world(), [&] {
    state.require_complete();
    state.refresh();
  });
  make_savers();
  environment = describe_environment({session.device, torch::kFloat32});
  DistOptions dist;
  dist.reduce = session.fast ? "fast" : "exact";
  compare_ranks(world(), environment, dist, run.reporter);
  const auto from = lockstep::resume(
      {world(), state, *store, run.reporter, *run.disk, checkpoints(), run.attempt}, {options.resume, {}});
  Step done{0};
  if (from) {
    done = from->record.step;
    if (from->foreign) {
      TrainRecord here = from->record;
      here.run_id = run.run_id;
      saver->save(here, SaveReason::kAsked);
      saver->require(done);
    }
    saver->restored(done, from->state_hash);
    best.restore(settled_best(world(), *store, from->record));
    if (world().is_root()) note_change(from->record.environment, environment, done, run.reporter);
  }
  if (done.value < options.steps) on_root(world(), [&] { run.run_directory->reopen(); });
  saver->announce_interval();
  run.reporter.begin(Step(done.value + 1), Step(options.steps));
  return done.value;
}

StepRecord Checkpoints::Parts::step_record(Step step, const Values& values) const {
  StepRecord record;
  record.step = step;
  record.epoch = Epoch(1);
  for (const auto& [name, value] : values) {
    if (name == "loss")
      record.loss = value;
    else if (name == "lr")
      record.lr = value;
    else
      record.metrics[name] = value;
  }
  return record;
}

TrainRecord Checkpoints::Parts::record_of(const StepRecord& step) const {
  TrainRecord record;
  record.run_id = run.run_id;
  record.step = step.step;
  record.epoch = step.epoch;
  record.steps_per_epoch = options.steps;
  record.epoch_offset = step.step.value;
  record.epoch_samples = std::max(options.steps, step.step.value);
  record.loss = step.loss;
  record.lr = step.lr;
  record.seed = session.seed;
  record.micro_batches = session.micro_batches;
  record.world = session.world.size();
  record.attempt = run.attempt;
  record.metrics = step.metrics;
  record.best = best.saved();
  record.config = state.optimizer_config();
  record.environment = environment;
  record.metadata = options.metadata;
  record.parameter_order = state.parameter_order();
  record.eval_modules = state.eval_modules();
  record.frozen = state.frozen();
  keep_param_groups(record, state.param_groups());
  return record;
}

bool Checkpoints::Parts::is_best(const StepRecord& step) {
  return checkpoint.keep_best.count > 0 && step.metrics.contains(options.best_metric) &&
         best.beaten_by(step.metrics, step.step);
}

Stop Checkpoints::Parts::look_at_stop(const StepRecord& step) {
  stops->look_ahead(saver->save_times());
  const Agreed<Wish> wish = stops->ask(saver->clock_asks(), saver->save_times());
  saver->note_clock_asked(wish.value == Wish::kSave);
  if (wish.value == Wish::kSaveNow && saver->last_step() != step.step)
    saver->save(record_of(step), SaveReason::kAsked);
  if (wish.value != Wish::kStop) return Stop::kNo;
  if (world().is_root()) supervisor_line().stopping(stop_signal_received());
  const Step saved = save_at_stop({world(), *saver, *stops, run.reporter}, record_of(step));
  run.reporter.event("stopped", {{"step", std::to_string(saved.value)},
                                 {"trained_to", std::to_string(step.step.value)},
                                 {"signal", std::to_string(stop_signal_received())},
                                 {"cause", stops->cause()}});
  run.reporter.flush();
  session.ending = ExitCode::kRequeue;
  if (world().is_root())
    try_print(fmt::format("stopped: saved at step {}; go on with the same command\n", saved.value));
  return Stop::kStop;
}

void Checkpoints::Parts::finish(const StepRecord& step) {
  if (saver->last_step() != step.step)
    saver->save(record_of(step), is_best(step) ? SaveReason::kBest : SaveReason::kAsked);
  saver->require(step.step);
  on_root(world(), [&] {
    store->write_weights_file(RunLayout(run.directory).weights());
    run.reporter.flush();
    run.run_directory->finish({step.step, step.epoch, saver->last_hash()});
    run.reporter.event("done",
                       {{"step", std::to_string(step.step.value)}, {"state_hash", saver->last_hash().hex()}});
    run.reporter.flush();
  });
  if (world().is_root())
    try_print(fmt::format("done: step {}  state {}  in {}\n", step.step.value, saver->last_hash().hex(),
                          run.directory));
}

Checkpoints::Checkpoints(Session& session, const std::string& directory, const SaveOptions& options)
    : parts_(std::make_unique<Parts>(session, directory, options)) {}

Checkpoints::Checkpoints(const std::string& directory, const SaveOptions& options) {
  std::unique_ptr<Session> own = serial_session();
  parts_ = std::make_unique<Parts>(*own, directory, options);
  parts_->own = std::move(own);
}

Checkpoints::~Checkpoints() {
  if (!parts_) return;
  parts_->session.before_update.erase(parts_->release);
  parts_->saver.reset();  // its thread reads what goes after it
}

Checkpoints& Checkpoints::add(const std::string& name, torch::nn::Module& module) {
  parts_->add(name, [&] { return add_module(parts_->session, name, module); });
  return *this;
}

Checkpoints& Checkpoints::add(const std::string& name, torch::optim::Optimizer& optimizer) {
  parts_->add(name, [&] { return add_optimizer(parts_->session, name, optimizer); });
  return *this;
}

Checkpoints& Checkpoints::add(const std::string& name, torch::optim::LRScheduler& scheduler) {
  parts_->add(name, [&] { return add_scheduler(name, scheduler); });
  return *this;
}

Checkpoints& Checkpoints::add(const std::string& name, DataParallel& parallel) {
  parts_->add(name, [&] { return add_parallel(name, parallel); });
  return *this;
}

Checkpoints& Checkpoints::add(const std::string& name, torch::Tensor& tensor) {
  parts_->add(name, [&] { return add_tensor(name, tensor); });
  return *this;
}

Checkpoints& Checkpoints::add(const std::string& name, std::string& text) {
  parts_->add(name, [&] { return add_text(name, text); });
  return *this;
}

Checkpoints& Checkpoints::add_number(const std::string& name, NumberAccess access) {
  const auto exact = [access] {
    const StoredNumber value = access.get();
    if (const auto* real = std::get_if<double>(&value)) return torch::tensor(*real, torch::kFloat64);
    return torch::tensor(std::get<std::int64_t>(value), torch::kInt64);
  };
  parts_->state.add(lockstep::add_number(name, exact, [access](const torch::Tensor& stored) {
    access.set(stored.is_floating_point() ? StoredNumber(stored.item<double>())
                                          : StoredNumber(stored.item<std::int64_t>()));
  }));
  return *this;
}

std::int64_t Checkpoints::resume() {
  Parts& parts = *parts_;
  parts.session.begin_verb("resume()", parts.wrong);
  if (parts.next)
    throw AgreedFault(ExitCode::kBug, "resume() was called twice", "Call it once, before the first step");
  parts.seed = at::globalContext().defaultGenerator(torch::kCPU).current_seed();
  parts.next = parts.begin_run();
  begin_draws(parts.seed, *parts.next);
  parts.stops->begin_step(Step(*parts.next + 1), parts.saver->save_times());
  parts.world().watch().enter(Phase::kBetween);
  return *parts.next;
}

Stop Checkpoints::after(std::int64_t step, const std::map<std::string, double>& values) {
  Parts& parts = *parts_;
  parts.session.begin_verb(fmt::format("after(step {}{})", step, text_of(values)), parts.wrong);
  if (!parts.next || step != *parts.next)
    throw AgreedFault(ExitCode::kBug,
                      parts.next ? fmt::format("after(step {}) where step {} is next", step, *parts.next)
                                 : std::string("after() was called before resume()"),
                      "Call resume() once, then after() for each step in turn, from what resume() returned");
  if (step >= parts.options.steps)
    throw AgreedFault(ExitCode::kBug,
                      fmt::format("after(step {}) of a run of {} steps", step, parts.options.steps),
                      "Raise SaveOptions::steps, or end the loop there");
  parts.next = step + 1;
  const StepRecord record = parts.step_record(Step(step + 1), values);
  if (parts.options.on_nan == "stop" && !std::isfinite(record.loss)) {
    parts.saver->drain();
    throw AgreedFault(ExitCode::kNeverRestart,
                      fmt::format("step {}: the run has diverged (loss {})", step, record.loss),
                      fmt::format("Lower the learning rate or clip; the newest checkpoint is that of step {}",
                                  parts.saver->last_step().value));
  }
  const bool last = step + 1 == parts.options.steps;
  {
    const PhaseScope journal(parts.world().watch(), Phase::kJournal);
    parts.run.reporter.step(record, last);
  }
  const PhaseScope saving(parts.world().watch(), Phase::kSave);
  parts.saver->poll();
  if (last) {
    parts.finish(record);
    return Stop::kNo;
  }
  if (parts.is_best(record))
    parts.saver->save(parts.record_of(record), SaveReason::kBest);
  else if (parts.saver->is_due(record.step, Step(parts.options.steps)))
    parts.saver->save(parts.record_of(record), SaveReason::kInterval);
  begin_draws(parts.seed, step + 1);
  const Stop stop = parts.look_at_stop(record);
  if (stop == Stop::kNo) parts.stops->begin_step(Step(step + 2), parts.saver->save_times());
  return stop;
}

std::int64_t Checkpoints::last_saved() const {
  return parts_->saver ? parts_->saver->last_step().value : 0;
}

}  // namespace lockstep
