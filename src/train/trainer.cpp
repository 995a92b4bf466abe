// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <fmt/format.h>

#include <cmath>

#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "optim/clip.h"
#include "optim/schedule.h"
#include "train/evaluator.h"
#include "train/start_weights.h"

namespace lockstep {
namespace {

std::unique_ptr<GradientReducer> make_reducer(World& world, const DistOptions& dist, const TrainingPlan& plan,
                                              const ModelArena& arena) {
  const ReducePlan reduce{plan.micro_batches, arena.contribution_count(), arena.values().options()};
  return dist.fast() ? make_fast_reducer(world, reduce) : make_exact_reducer(world, reduce);
}

// A checkpoint's tensors and what HDF5 and the manifest add to them.
std::uint64_t room_for_one_checkpoint(std::uint64_t tensor_bytes) {
  return tensor_bytes + tensor_bytes / 8 + (1u << 20);
}

}  // namespace

Trainer::Trainer(TrainerParts parts, const TrainerOptions& options)
    : parts_(std::move(parts)),
      options_(options),
      order_{options.run.seed, parts_.train_data->size(), options.train.global_batch, options.shuffle},
      plan_(make_plan(options.train, order_, parts_.world)),
      state_(parts_.model, options.optim, parts_.compute),
      targets_(*parts_.train_data, plan_, {options.train.loss, options.ignore_label}),
      pass_(state_, plan_, {options.run.seed, options.train.loss, &targets_}),
      reducer_(make_reducer(parts_.world, options.dist, plan_, state_.arena())),
      store_(parts_.directory + "/ckpt", options.checkpoint, parts_.disk,
             [this](const std::string& event, const auto& fields) { parts_.reporter.event(event, fields); }),
      checkpointer_({parts_.world, state_, store_, parts_.reporter}, options.checkpoint),
      best_(options.checkpoint.keep_best) {
  on_root(parts_.world, [&] { store_.prepare(room_for_one_checkpoint(state_.bytes())); });
  checkpointer_.prepare();
}

Ending Trainer::run() {
  const Step first = resume_from_newest_verified();
  parts_.reporter.begin(first, plan_.last_step);
  for (Step step = first; step <= plan_.last_step; ++step) {
    StepRecord record = advance(step);
    evaluate_if_due(record);
    parts_.reporter.step(record, step == plan_.last_step);
    save(record);
    if (step == plan_.last_step) break;
    const Agreed<Stop> stop = ask_to_stop(parts_.world);
    if (stop.value != Stop::kNo) return save_and_yield(record);
  }
  return finish();
}

Step Trainer::resume_from_newest_verified() {
  const ResumeParts parts{parts_.world,    state_,      store_,
                          parts_.reporter, parts_.disk, parts_.directory + "/ckpt",
                          parts_.attempt,  parts_.admit};
  const auto from = resume(parts, options_.resume);
  Step first{1};
  if (from) {
    first = Step(from->record.step.value + 1);
    best_.restore(from->record.best);
    if (from->foreign) {
      // Committed here at once, so that a restart before the next save does not begin anew.
      TrainRecord own = from->record;
      own.run_id = parts_.run_id;
      own.config = options_.config;
      checkpointer_.save(own, SaveReason::kAsked);
      checkpointer_.require(own.step);
    }
    checkpointer_.restored(from->record.step, from->state_hash);
  } else {
    start_from_weights();
  }
  loader_ = std::make_unique<Loader>(
      *parts_.train_data, order_,
      LoaderOptions{MicroBatch(plan_.mine.first), plan_.mine.count, plan_.micro_batch, plan_.last_step});
  return first;
}

void Trainer::start_from_weights() {
  if (options_.weights.empty()) return;
  std::vector<std::string> skipped;
  together(parts_.world, [&] {
    skipped = fill_model(state_.model(), *open_weights(options_.weights), options_.weights_skip);
  });
  std::string names;
  for (const std::string& name : skipped) names += " " + name;
  parts_.reporter.event("started_from_weights", {{"file", options_.weights}, {"initialised", names}});
}

StepRecord Trainer::advance(Step step) {
  set_fault_step(step.value);
  fault_point("step");
  StepRecord record;
  record.step = step;
  record.epoch = order_.epoch_of(step);
  record.lr = learning_rate(options_.schedule, options_.optim.lr, step, plan_.last_step);

  const HostBatch& batch = loader_->batch_for(step);
  targets_.begin(parts_.world, batch);
  const std::vector<PartialSum> sums = pass_.run(step, batch);
  fault_point("reduce");
  const torch::Tensor mean = reducer_->mean_over_micro_batches(sums);
  const torch::Tensor gradients = mean.narrow(0, 0, state_.arena().trainable_count());
  record.loss = mean[state_.arena().loss_offset()].item<double>();
  if (fault_requested("loss")) record.loss = std::nan("");
  if (norm_is_needed(step)) record.grad_norm = global_norm(gradients);

  const Agreed<Verdict> verdict = judge(record);
  if (verdict.value == Verdict::kDiverged) end_diverged(record);
  if (options_.train.grad_clip > 0) clip_to_norm(gradients, record.grad_norm, options_.train.grad_clip);
  checkpointer_.release_state();
  state_.apply(mean, record.lr);
  return record;
}

void Trainer::end_diverged(const StepRecord& record) {
  // A save in flight is of a state from before: what there is to go back to.
  checkpointer_.drain();
  throw AgreedFault(ExitCode::kNeverRestart,
                    fmt::format("step {}: the run has diverged (loss {}, gradient norm {})",
                                record.step.value, record.loss, record.grad_norm),
                    "The last checkpoint is from before. Lower optim.lr, or set train.grad_clip");
}

Agreed<Verdict> Trainer::judge(const StepRecord& record) {
  const bool finite = std::isfinite(record.loss) && std::isfinite(record.grad_norm);
  return agree_max(parts_.world, finite ? Verdict::kHealthy : Verdict::kDiverged);
}

bool Trainer::norm_is_needed(Step step) const {
  // A pass over all gradients, so not taken where nobody reads it. A gradient that is not finite makes the
  // next loss so, and is looked for wherever a state could be kept.
  return options_.train.grad_clip > 0 || Reporter::due(step, options_.log.every_steps) ||
         step == plan_.last_step || checkpointer_.is_due(step, plan_.last_step) || evaluation_is_due(step) ||
         stop_signal_received() != 0;
}

bool Trainer::evaluation_is_due(Step step) const {
  if (parts_.valid_data == nullptr) return false;
  const std::int64_t every = options_.train.eval_every;
  return step == plan_.last_step || (every > 0 && step.value % every == 0);
}

void Trainer::evaluate_if_due(StepRecord& record) {
  if (!evaluation_is_due(record.step)) return;
  fault_point("eval");
  const auto means = evaluate({parts_.world, state_.model(), *parts_.valid_data, parts_.compute},
                              {plan_.micro_batch, {options_.train.loss, options_.ignore_label}});
  for (const auto& [name, value] : means) record.metrics["valid_" + name] = value;
}

void Trainer::save(const StepRecord& record) {
  checkpointer_.poll();
  const bool is_best = !record.metrics.empty() && best_.beaten_by(record.metrics, record.step);
  if (is_best || record.step == plan_.last_step)
    checkpointer_.save(train_record(record), is_best ? SaveReason::kBest : SaveReason::kAsked);
  else if (checkpointer_.is_due(record.step, plan_.last_step))
    checkpointer_.save(train_record(record), SaveReason::kInterval);
}

Ending Trainer::save_and_yield(const StepRecord& record) {
  // A step that nobody reads does not look at its gradients (norm_is_needed); what is kept is looked at here.
  if (!std::isfinite(global_norm(state_.arena().trainable_values()))) end_diverged(record);
  checkpointer_.drain();
  if (checkpointer_.last_step() != record.step) checkpointer_.save(train_record(record), SaveReason::kAsked);
  checkpointer_.require(record.step);
  parts_.reporter.event("stopped", {{"step", std::to_string(record.step.value)},
                                    {"signal", std::to_string(stop_signal_received())}});
  return {ExitCode::kRequeue, record.step, checkpointer_.last_hash()};
}

Ending Trainer::finish() {
  checkpointer_.require(plan_.last_step);
  const Ending ending{ExitCode::kDone, checkpointer_.last_step(), checkpointer_.last_hash()};
  on_root(parts_.world, [&] {
    store_.write_weights_file(parts_.directory + "/weights.h5");
    parts_.run_directory->finish({ending.step, order_.epoch_of(ending.step), ending.state_hash});
    parts_.reporter.event(
        "done", {{"step", std::to_string(ending.step.value)}, {"state_hash", ending.state_hash.hex()}});
  });
  return ending;
}

TrainRecord Trainer::train_record(const StepRecord& record) const {
  TrainRecord train;
  train.run_id = parts_.run_id;
  train.step = record.step;
  train.epoch = record.epoch;
  train.steps_per_epoch = plan_.steps_per_epoch;
  train.epoch_offset = order_.offset_after(record.step);
  train.epoch_samples = order_.samples_per_epoch();
  train.loss = record.loss;
  train.lr = record.lr;
  train.seed = options_.run.seed;
  train.micro_batches = plan_.micro_batches;
  train.world = parts_.world.size();
  train.attempt = parts_.attempt;
  train.metrics = record.metrics;
  train.best = best_.saved();
  train.config = options_.config;
  train.environment = describe_environment(parts_.compute);
  train.metadata = options_.run.metadata;
  train.parameter_order = state_.parameter_names();
  train.frozen = state_.frozen_names();
  return train;
}

}  // namespace lockstep
