// SPDX-License-Identifier: Apache-2.0
#include "lockstep/loop/checkpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "comm/agree.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "lockstep/base/random.h"
#include "loop/data_parallel_impl.h"
#include "loop/loop_state.h"
#include "loop/opened_run.h"
#include "loop/run_keeper.h"
#include "loop/same_lines.h"
#include "loop/save_options.h"
#include "loop/session_over.h"
#include "loop/standard_streams.h"
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

struct Checkpoints::Impl {
  Impl(Session& of, const std::string& directory, const SaveOptions& chosen);

  World& world() { return session.world; }
  // What is wrong with it waits for the next verb: there all ranks can say so together.
  void add(const std::string& name, const std::function<std::unique_ptr<Added>()>& make);
  std::string checkpoints() const { return RunLayout(run.directory).checkpoints(); }
  std::int64_t begin_run();
  TrainRecord record_of(const StepRecord& step) const;
  StepRecord step_record(Step step, const Values& values) const;
  Stop look_at_stop(const StepRecord& step);
  void finish(const StepRecord& step);

  std::unique_ptr<Session> own;
  Session::Impl& session;
  SaveOptions options;
  CheckpointOptions checkpoint;
  OpenedRun run;
  LoopState state;
  std::unique_ptr<RunKeeper> keeper;  // once all is added
  std::optional<std::int64_t> next;   // the step after() expects; none before resume()
  std::optional<Fault> wrong;         // with what was added
  std::uint64_t seed = 0;             // what the program gave to torch::manual_seed()
  std::list<std::function<void()>>::iterator release;
};

Checkpoints::Impl::Impl(Session& of, const std::string& directory, const SaveOptions& chosen)
    : session(of.impl()), options(chosen), checkpoint(checkpoint_options(chosen)), state(session) {
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
    if (keeper) keeper->saves().release_state();
  });
}

void Checkpoints::Impl::add(const std::string& name, const std::function<std::unique_ptr<Added>()>& make) {
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

std::int64_t Checkpoints::Impl::begin_run() {
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
  KeeperOptions how{checkpoint, session.fast ? 0 : 1, {session.device, torch::kFloat32}, {}};
  how.dist.reduce = session.fast ? "fast" : "exact";
  keeper = std::make_unique<RunKeeper>(
      RunKeeper::Parts{world(), *run.disk, real_clock(), run.reporter, state, run.run_directory.get(),
                       run.directory, run.run_id, run.attempt, session.stop_times},
      how);
  keeper->compare_ranks();
  const auto from = keeper->resume(state, {options.resume, {}});
  Step done{0};
  if (from) {
    done = from->record.step;
    keeper->go_on_from(*from, [&] {
      TrainRecord own = from->record;
      own.run_id = run.run_id;
      return own;
    });
  }
  if (done.value < options.steps) on_root(world(), [&] { run.run_directory->reopen(); });
  keeper->saves().announce_interval();
  run.reporter.begin(Step(done.value + 1), Step(options.steps));
  return done.value;
}

StepRecord Checkpoints::Impl::step_record(Step step, const Values& values) const {
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

TrainRecord Checkpoints::Impl::record_of(const StepRecord& step) const {
  TrainRecord record = keeper->record_of(step);
  record.steps_per_epoch = options.steps;
  record.epoch_offset = step.step.value;
  record.epoch_samples = std::max(options.steps, step.step.value);
  record.seed = session.seed;
  record.micro_batches = session.micro_batches;
  record.config = state.optimizer_config();
  record.metadata = options.metadata;
  record.parameter_order = state.parameter_order();
  record.eval_modules = state.eval_modules();
  record.frozen = state.frozen();
  keep_param_groups(record, state.param_groups());
  return record;
}

Stop Checkpoints::Impl::look_at_stop(const StepRecord& step) {
  const PhaseScope saving(world().watch(), Phase::kSave);
  const Wish wish = keeper->ask();
  if (wish == Wish::kSaveNow && keeper->saves().last_step() != step.step)
    keeper->saves().save(record_of(step), SaveReason::kAsked);
  if (wish != Wish::kStop) return Stop::kNo;
  const Step saved = keeper->save_and_stop(record_of(step));
  run.reporter.flush();
  session.ending = ExitCode::kRequeue;
  if (world().is_root())
    try_print(fmt::format("stopped: saved at step {}; go on with the same command\n", saved.value));
  return Stop::kStop;
}

void Checkpoints::Impl::finish(const StepRecord& step) {
  const PhaseScope saving(world().watch(), Phase::kSave);
  Checkpointer& saves = keeper->saves();
  if (saves.last_step() != step.step)
    saves.save(record_of(step), keeper->is_best(step) ? SaveReason::kBest : SaveReason::kAsked);
  saves.require(step.step);
  keeper->finish(step.step, step.epoch);
  if (world().is_root())
    try_print(fmt::format("done: step {}  state {}  in {}\n", step.step.value, saves.last_hash().hex(),
                          run.directory));
}

Checkpoints::Checkpoints(Session& session, const std::string& directory, const SaveOptions& options)
    : impl_(std::make_unique<Impl>(session, directory, options)) {}

Checkpoints::Checkpoints(const std::string& directory, const SaveOptions& options) {
  std::unique_ptr<Session> own = serial_session();
  impl_ = std::make_unique<Impl>(*own, directory, options);
  impl_->own = std::move(own);
}

Checkpoints::~Checkpoints() {
  if (!impl_) return;
  impl_->session.before_update.erase(impl_->release);
  impl_->keeper.reset();  // its thread reads what goes after it
}

Checkpoints& Checkpoints::add(const std::string& name, torch::nn::Module& module) {
  impl_->add(name, [&] { return add_module(impl_->session, name, module); });
  return *this;
}

Checkpoints& Checkpoints::add(const std::string& name, torch::optim::Optimizer& optimizer) {
  impl_->add(name, [&] { return add_optimizer(impl_->session, name, optimizer); });
  return *this;
}

Checkpoints& Checkpoints::add(const std::string& name, torch::optim::LRScheduler& scheduler) {
  impl_->add(name, [&] { return add_scheduler(name, scheduler); });
  return *this;
}

Checkpoints& Checkpoints::add(const std::string& name, DataParallel& parallel) {
  impl_->add(name, [&] { return add_parallel(name, parallel); });
  return *this;
}

Checkpoints& Checkpoints::add(const std::string& name, torch::Tensor& tensor) {
  impl_->add(name, [&] { return add_tensor(name, tensor); });
  return *this;
}

Checkpoints& Checkpoints::add(const std::string& name, std::string& text) {
  impl_->add(name, [&] { return add_text(name, text); });
  return *this;
}

Checkpoints& Checkpoints::add_number(const std::string& name, NumberAccess access) {
  const auto exact = [access] {
    const StoredNumber value = access.get();
    if (const auto* real = std::get_if<double>(&value)) return torch::tensor(*real, torch::kFloat64);
    return torch::tensor(std::get<std::int64_t>(value), torch::kInt64);
  };
  const auto set = [access](const torch::Tensor& stored) {
    access.set(stored.is_floating_point() ? StoredNumber(stored.item<double>())
                                          : StoredNumber(stored.item<std::int64_t>()));
  };
  impl_->add(name, [&] { return lockstep::add_number(name, exact, set); });
  return *this;
}

std::int64_t Checkpoints::resume() {
  Impl& impl = *impl_;
  impl.session.begin_verb("resume()", impl.wrong);
  if (impl.next)
    throw AgreedFault(ExitCode::kBug, "resume() was called twice", "Call it once, before the first step");
  impl.seed = at::globalContext().defaultGenerator(torch::kCPU).current_seed();
  impl.next = impl.begin_run();
  begin_draws(impl.seed, *impl.next);
  impl.keeper->stops().begin_step(Step(*impl.next + 1), impl.keeper->saves().save_times());
  impl.world().watch().enter(Phase::kBetween);
  return *impl.next;
}

Stop Checkpoints::after(std::int64_t step, const std::map<std::string, double>& values) {
  Impl& impl = *impl_;
  impl.session.begin_verb(fmt::format("after(step {}{})", step, text_of(values)), impl.wrong);
  if (!impl.next || step != *impl.next)
    throw AgreedFault(ExitCode::kBug,
                      impl.next ? fmt::format("after(step {}) where step {} is next", step, *impl.next)
                                : std::string("after() was called before resume()"),
                      "Call resume() once, then after() for each step in turn, from what resume() returned");
  if (step >= impl.options.steps)
    throw AgreedFault(ExitCode::kBug,
                      fmt::format("after(step {}) of a run of {} steps", step, impl.options.steps),
                      "Raise SaveOptions::steps, or end the loop there");
  impl.next = step + 1;
  const StepRecord record = impl.step_record(Step(step + 1), values);
  if (impl.options.on_nan == "stop" && !std::isfinite(record.loss)) {
    impl.keeper->saves().drain();
    throw AgreedFault(ExitCode::kNeverRestart,
                      fmt::format("step {}: the run has diverged (loss {})", step, record.loss),
                      fmt::format("Lower the learning rate or clip; the newest checkpoint is that of step {}",
                                  impl.keeper->saves().last_step().value));
  }
  const bool last = step + 1 == impl.options.steps;
  {
    const PhaseScope journal(impl.world().watch(), Phase::kJournal);
    impl.run.reporter.step(record, last);
  }
  if (last) {
    impl.finish(record);
    return Stop::kNo;
  }
  impl.keeper->save_if_due(record, Step(impl.options.steps), [&] { return impl.record_of(record); });
  begin_draws(impl.seed, step + 1);
  const Stop stop = impl.look_at_stop(record);
  if (stop == Stop::kNo) impl.keeper->stops().begin_step(Step(step + 2), impl.keeper->saves().save_times());
  return stop;
}

std::int64_t Checkpoints::last_saved() const {
  return impl_->keeper ? impl_->keeper->saves().last_step().value : 0;
}

}  // namespace lockstep
