// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/run_layout.h"
#include "comm/agree.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "loop/module_modes.h"
#include "loop/run_keeper.h"
#include "optim/clip.h"
#include "optim/schedule.h"
#include "parallel/gradient_exchange.h"
#include "run/supervisor_line.h"
#include "train/checked_step.h"
#include "train/divergence.h"
#include "train/evaluator.h"
#include "train/odd_values.h"
#include "train/rehearsal.h"
#include "train/start_weights.h"
#include "train/step_engine.h"
#include "train/trainer_target.h"

namespace lockstep {
namespace {

// The line of the last step in metrics.jsonl is written after its evaluation, perhaps by the next life.
std::string with_norm(const std::string& extra, const StepRecord& record) {
  auto json = nlohmann::json::parse(extra);
  json["grad_norm"] = record.grad_norm;
  return json.dump();
}
double kept_norm(const TrainRecord& record) {
  const auto extra = nlohmann::json::parse(record.extra);
  const auto norm = extra.find("grad_norm");
  return norm != extra.end() && norm->is_number() ? norm->get<double>() : 0;
}

std::string where_to_go_back(Step saved) {
  return saved > Step(0) ? fmt::format(". The checkpoint of step {} is from before", saved.value)
                         : ". No checkpoint was made before it";
}

}  // namespace

Trainer::Trainer(TrainerParts parts, const TrainerOptions& options)
    : parts_(std::move(parts)),
      options_(options),
      engine_(std::make_unique<StepEngine>(
          StepEngine::Parts{parts_.world, parts_.compute, *parts_.train_data}, parts_.model, options)),
      keeper_(std::make_unique<RunKeeper>(
          RunKeeper::Parts{parts_.world, parts_.disk, parts_.clock, parts_.reporter, engine_->state,
                           parts_.run_directory, parts_.directory, parts_.run_id, parts_.attempt,
                           parts_.stop_times},
          KeeperOptions{options.checkpoint, options.replica_hash_every, parts_.compute, options.dist},
          engine_->state.arena().values().nbytes())),
      checkpointer_(keeper_->saves()),
      hooks_(parts_.world, parts_.hooks, RunLayout(parts_.directory).checkpoints()),
      setbacks_({parts_.world, parts_.disk, parts_.reporter, parts_.directory}, options.numbers) {}

Trainer::~Trainer() = default;

Ending Trainer::run() {
  const Step first = resume_from_newest_verified();
  StepRecord record = resumed_;
  // Asked during the start-up: what was restored is what there is to go on from.
  const bool restored = first <= engine_->plan.last_step && checkpointer_.last_step() > Step(0);
  if (restored && keeper_->stops().is_asked().value) return save_and_yield(record);
  if (first <= engine_->plan.last_step) rehearse_rest(first);
  watch().enter(Phase::kBetween);
  for (Step step = first; step <= engine_->plan.last_step; step = Step(record.step.value + 1)) {
    keeper_->stops().begin_step(step, checkpointer_.save_times());
    hooks_.epoch_begins(engine_->order.epoch_of(step), record);
    record = advance(step);
    if (record.step < step) continue;  // it went back
    if (step == engine_->plan.last_step) break;
    if (evaluation_is_due(step)) evaluate_now(record);
    report(record, /*last=*/false);
    keeper_->save_if_due(record, engine_->plan.last_step, [&] { return train_record(record); });
    hooks_.saved(record, checkpointer_.last_step());
    const Wish wish = keeper_->ask();
    if (wish == Wish::kStop) return save_and_yield(record);
    if (wish == Wish::kSaveNow) save_now(record);
  }
  return finish(record);
}

void Trainer::report(const StepRecord& record, bool last) {
  const PhaseScope journal(watch(), Phase::kJournal);
  parts_.reporter.step(record, last);
}

void Trainer::rehearse_rest(Step first) {
  rehearse({parts_.world, parts_.disk, parts_.directory, engine_->state, engine_->plan,
            parts_.valid_data.get(), evaluation_options(), options_.train.eval_every,
            options_.checkpoint.keep_best, options_.schedule});
  on_root(parts_.world, [&] { parts_.run_directory->reopen(); });
  checkpointer_.announce_interval();
  parts_.reporter.begin(first, engine_->plan.last_step);
}

Step Trainer::resume_from_newest_verified() {
  keeper_->compare_ranks();
  settle_modes(engine_->state.model());
  if (const auto limit = setbacks_.recall(options_.resume.newest())) leave_behind(*limit);
  const auto from = resume_by(options_.resume);
  setbacks_.go_on_from(from ? from->record.extra : "{}");
  Step first{1};
  if (from) {
    first = Step(from->record.step.value + 1);
    resumed_ = take_over(*from);
  } else {
    start_from_weights();
  }
  start_loader();
  engine_->exchange->state_was_written();
  hooks_.begin(checkpointer_.last_step());
  return first;
}

std::optional<ResumedFrom> Trainer::resume_by(const ResumeOptions& options) {
  TrainerTarget target(engine_->state, {parts_.admit, options.allow_changes, parts_.world.is_root()});
  return keeper_->resume(target, options);
}

// A way back may be gone twice: a life that is killed on it leaves the rest to the next.
void Trainer::leave_behind(Step limit) {
  on_root(parts_.world, [&] { keeper_->store().leave_newer_than(limit, parts_.attempt); });
  setbacks_.way_is_back();
}

void Trainer::start_loader() {
  batch_ = nullptr;
  loader_ = std::make_unique<Loader>(*parts_.train_data, engine_->order, engine_->loading(options_));
}

StepRecord Trainer::take_over(const ResumedFrom& from) {
  const TrainRecord& record = from.record;
  checked_at_ = checked_step(record.extra);
  engine_->scaling.go_on_from(record.extra);
  engine_->order.start = place_after(record, engine_->order.size);
  engine_->plan.last_step = last_step_of(options_.train, engine_->order);
  // Another run's becomes this one's.
  keeper_->go_on_from(from, [&] {
    TrainRecord own = record;
    own.run_id = parts_.run_id;
    own.config = options_.config;
    own.steps_per_epoch = engine_->plan.steps_per_epoch;
    own.epoch_offset = engine_->order.offset_after(own.step);
    own.epoch_samples = engine_->order.samples_of(own.epoch);
    keep_param_groups(own, engine_->state.param_groups(own.lr));
    return own;
  });
  StepRecord last{record.step, record.epoch, record.loss, record.lr};
  last.metrics = record.metrics;
  last.grad_norm = kept_norm(record);
  return last;
}

void Trainer::start_from_weights() {
  if (options_.weights.empty()) return;
  std::string names;
  for (const std::string& name :
       start_model(parts_.world, engine_->state.model(), options_.weights, options_.weights_names))
    names += " " + name;
  parts_.reporter.event("started_from_weights", {{"file", options_.weights}, {"initialised", names}});
}

StepRecord Trainer::advance(Step step) {
  set_fault_step(step.value);
  supervisor_line().progress(step);
  fault_point("step");
  StepRecord record;
  record.step = step;
  record.epoch = engine_->order.epoch_of(step);
  record.lr = learning_rate(options_.schedule, options_.optim.lr, step, engine_->plan.last_step);

  if (setbacks_.leaves_out(step)) return without_update(record);

  engine_->metrics.begin(options_.train.metrics &&
                         (Reporter::due(step, options_.log.every_steps) || step == engine_->plan.last_step));
  const std::vector<PartialSum> sums = compute(step);
  reduce(sums);  // no collective before it: gradients may be on their way
  record.train_metrics = engine_->metrics.share(parts_.world);
  engine_->scaling.describe(record);
  record.loss = engine_->exchange->loss();
  if (fault_requested("loss")) record.loss = std::nan("");
  if (norm_is_needed(step)) record.grad_norm = engine_->scaling.unscaled(engine_->exchange->norm());

  const Agreed<LargestAlike> said =
      agree_alike(parts_.world, static_cast<std::int64_t>(verdict(record)), keeper_->replicas().slice(step));
  if (const auto instead = set_back(record, said)) return *instead;
  const double most = options_.train.grad_clip;
  const PhaseScope optimizer(watch(), Phase::kOptimizer);
  engine_->exchange->apply(
      &engine_->state.optimizer(),
      {record.lr, engine_->scaling.unscaled(most > 0 ? clip_scale(record.grad_norm, most) : 1)});
  setbacks_.updated(record.loss);
  engine_->scaling.updated();
  return record;
}

StepVerdict Trainer::verdict(const StepRecord& record) const {
  return engine_->scaling.has_overflowed(record) ? StepVerdict::kOverflow : setbacks_.verdict(record);
}

std::optional<StepRecord> Trainer::set_back(const StepRecord& record, const Agreed<LargestAlike>& said) {
  if (!said.value.alike) keeper_->replicas().end(record.step, checkpointer_.last_step());
  const auto verdict = static_cast<StepVerdict>(said.value.largest);
  if (verdict == StepVerdict::kHealthy) return std::nullopt;
  if (verdict == StepVerdict::kOverflow) {
    // What the forward pass left in buffers stays, as with GradScaler.
    engine_->exchange->apply(nullptr, {});
    return engine_->scaling.overflowed(record, parts_.reporter);
  }
  const Remedy remedy = setbacks_.remedy_for(verdict);
  if (remedy != Remedy::kUpdate) engine_->exchange->leave();
  if (remedy == Remedy::kStop) end_diverged(record, batch_);
  const BadStep bad = verdict == StepVerdict::kSpike ? setbacks_.spike(record) : diverged(record, batch_);
  if (remedy == Remedy::kRollBack) return go_back(bad);
  if (remedy == Remedy::kUpdate) {
    setbacks_.warn(bad);
    return std::nullopt;
  }
  setbacks_.skip(bad);
  engine_->pass.undo();
  return without_update(record);
}

StepRecord Trainer::go_back(const BadStep& bad) {
  const PhaseScope restart(watch(), Phase::kStartUp);
  checkpointer_.drain();
  leave_behind(setbacks_.roll_back(bad));
  ResumeOptions options = options_.resume;
  options.mode = "must";
  const auto from = resume_by(options);
  setbacks_.go_on_from(from->record.extra);
  const StepRecord record = take_over(*from);
  engine_->exchange->state_was_written();
  hooks_.begin(record.step);
  start_loader();
  parts_.reporter.begin(Step(record.step.value + 1), engine_->plan.last_step);
  return record;
}

void Trainer::reduce(const std::vector<PartialSum>& sums) {
  const PhaseScope exchange(watch(), Phase::kExchange);
  fault_point("reduce");
  if (const auto touched = engine_->exchange->touched()) throw *touched;
  checkpointer_.release_state();
  engine_->exchange->reduce(sums);
}

std::vector<PartialSum> Trainer::compute(Step step) {
  std::vector<PartialSum> sums;
  // What does not fit shows itself at once and on all ranks; later a rank is alone with it.
  const bool first = engine_->pass.computed() == 0;
  const auto guarded = [&](const std::function<void()>& work) {
    const auto run = [&] {
      with_foreign_faults(work,
                          [&](const ForeignException& thrown) { return fault_of(thrown, call_at(step)); });
    };
    first ? together(parts_.world, run) : run();
  };
  const auto start = parts_.clock.monotonic();
  guarded([&] {
    const PhaseScope data(watch(), Phase::kData);
    fault_point("data");
    batch_ = &loader_->batch_for(step);
  });
  engine_->targets.begin(parts_.world, *batch_);
  const bool checks = options_.train.check_model && !checked_at_;
  if (checks) engine_->pass.check_next();
  guarded([&] {
    const PhaseScope work(watch(), Phase::kCompute);
    sums = engine_->pass.run(step, *batch_);
  });
  watch().worked(std::chrono::duration<double>(parts_.clock.monotonic() - start).count() /
                 engine_->plan.mine.count);
  if (checks) checked_at_ = step;
  return sums;
}

ModelCall Trainer::call_at(Step step) {
  const int index = engine_->pass.micro_batch();
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < engine_->plan.micro_batch; ++i)
    indices.push_back(engine_->order.index_of(step, index * engine_->plan.micro_batch + i));
  ModelCall call;
  call.model = model_name();
  call.place = fmt::format("step {}, micro-batch {}", step.value, index);
  call.inputs = shapes_of(*parts_.train_data, engine_->plan.micro_batch);
  call.samples = places_of(*parts_.train_data, indices);
  call.micro_batch = engine_->plan.micro_batch;
  call.first = engine_->pass.computed() == 0;
  call.saved = checkpointer_.last_step() > Step(0);
  return call;
}

BadStep Trainer::diverged(const StepRecord& record, const MicroBatches* batch) {
  const DivergenceCause cause =
      find_cause({parts_.world, engine_->state, engine_->plan, engine_->order, *parts_.train_data,
                  engine_->targets, options_.run.seed, record.step, batch});
  return {record,
          fmt::format("step {}: the run has diverged (loss {}, gradient norm {}): {}", record.step.value,
                      without_sign(record.loss), without_sign(record.grad_norm), cause.fact),
          cause.remedy, !cause.is_state};
}

void Trainer::end_diverged(const StepRecord& record, const MicroBatches* batch) {
  // A save in flight is of a state from before: what there is to go back to.
  checkpointer_.drain();
  const BadStep bad = diverged(record, batch);
  throw AgreedFault(ExitCode::kNeverRestart, bad.fact,
                    bad.remedy + where_to_go_back(checkpointer_.last_step()));
}

bool Trainer::norm_is_needed(Step step) const {
  // A pass over all gradients, so not taken where nobody reads it. A gradient that is not finite makes the
  // next loss so, and is looked for wherever a state could be kept.
  return setbacks_.needs_norm() || engine_->scaling.is_on() || options_.train.grad_clip > 0 ||
         Reporter::due(step, options_.log.every_steps) || step == engine_->plan.last_step ||
         checkpointer_.is_due(step, engine_->plan.last_step) || evaluation_is_due(step);
}

bool Trainer::evaluation_is_due(Step step) const {
  if (parts_.valid_data == nullptr) return false;
  const std::int64_t every = options_.train.eval_every;
  return step == engine_->plan.last_step || (every > 0 && step.value % every == 0);
}

void Trainer::evaluate_now(StepRecord& record) {
  const PhaseScope evaluation(watch(), Phase::kEvaluation);
  fault_point("eval");
  const EvaluationParts parts{parts_.world, engine_->state.model(), *parts_.valid_data, parts_.compute};
  const auto means = evaluate(parts, evaluation_options());
  for (const auto& [name, value] : means) record.metrics["valid_" + name] = value;
  if (const auto odd = odd_evaluation(parts, evaluation_options(), means)) warn_of(*odd, record.step);
  hooks_.evaluated(record);
}

void Trainer::warn_of(const OddEvaluation& odd, Step step) {
  if (parts_.world.is_root())
    log_warning("step {}: valid_{} is {}: {}", step.value, odd.name, odd.value, odd.cause);
  parts_.reporter.event("evaluation_not_finite", {{"step", std::to_string(step.value)},
                                                  {"metric", "valid_" + odd.name},
                                                  {"value", fmt::format("{}", odd.value)},
                                                  {"cause", odd.cause}});
}

// A step that nobody reads does not look at its gradients (norm_is_needed); what is kept is looked at here.
void Trainer::look_before_saving(const StepRecord& record) {
  if (!std::isfinite(global_norm(engine_->state.arena().trainable_values()))) end_diverged(record, nullptr);
}

void Trainer::save_now(const StepRecord& record) {
  const auto flight = checkpointer_.in_flight();
  if ((flight ? flight->step : checkpointer_.last_step()) == record.step) return;
  look_before_saving(record);
  parts_.reporter.event("save_requested", {{"step", std::to_string(record.step.value)}});
  checkpointer_.save(train_record(record), SaveReason::kAsked);
}

Ending Trainer::save_and_yield(const StepRecord& record) {
  look_before_saving(record);
  const Step step = keeper_->save_and_stop(train_record(record));
  hooks_.saved(record, step);
  return {ExitCode::kRequeue, step, checkpointer_.last_hash()};
}

// The state is safe before it is evaluated: an evaluation that fails costs nothing but itself, and the next
// life begins with it.
Ending Trainer::finish(StepRecord record) {
  const bool trained = record.step > resumed_.step;
  const PhaseScope save(watch(), Phase::kSave);
  if (trained) checkpointer_.save(train_record(record), SaveReason::kAsked);
  checkpointer_.require(record.step);
  hooks_.saved(record, checkpointer_.last_step());
  const bool was_done =
      agree_max(parts_.world, parts_.run_directory && parts_.run_directory->was_done()).value;
  if (parts_.valid_data != nullptr && record.metrics.empty() && (trained || !was_done)) {
    evaluate_now(record);
    const bool best = keeper_->is_best(record);
    checkpointer_.add_evaluation(train_record(record), best);
    report(record, /*last=*/true);
  } else if (trained) {
    report(record, /*last=*/true);
  }
  const Ending ending{ExitCode::kDone, checkpointer_.last_step(), checkpointer_.last_hash(), trained};
  keeper_->finish(ending.step, engine_->order.epoch_of(ending.step));
  return ending;
}

EvaluationOptions Trainer::evaluation_options() {
  return {engine_->plan.micro_batch, {options_.train.loss, options_.ignore_label}, model_name()};
}

std::string Trainer::model_name() {
  const auto type = options_.config.find("model.type");
  return type == options_.config.end() ? engine_->state.model().name() : type->second;
}

TrainRecord Trainer::train_record(const StepRecord& record) const {
  TrainRecord train = keeper_->record_of(record);
  train.steps_per_epoch = engine_->plan.steps_per_epoch;
  train.epoch_offset = engine_->order.offset_after(record.step);
  train.epoch_samples = engine_->order.samples_of(record.epoch);
  train.seed = options_.run.seed;
  train.micro_batches = engine_->plan.micro_batches;
  train.config = options_.config;
  train.extra = engine_->scaling.add_to(setbacks_.add_to(extra_with_check(checked_at_)));
  if (record.step == engine_->plan.last_step) train.extra = with_norm(train.extra, record);
  train.eval_modules = modules_in_eval(*parts_.model);
  train.metadata = options_.run.metadata;
  train.parameter_order = engine_->state.parameter_names();
  train.frozen = engine_->state.frozen_names();
  keep_param_groups(train, engine_->state.param_groups(record.lr));
  return train;
}

}  // namespace lockstep
