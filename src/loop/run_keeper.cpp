// SPDX-License-Identifier: Apache-2.0
#include "loop/run_keeper.h"

#include "base/run_layout.h"
#include "comm/agree.h"
#include "loop/begin_store.h"
#include "loop/save_at_stop.h"
#include "run/stop_signals.h"
#include "run/supervisor_line.h"
#include "tensors/kept_tensors.h"

namespace lockstep {

RunKeeper::RunKeeper(const Parts& parts, const KeeperOptions& options, std::uint64_t beside)
    : parts_(parts),
      options_(options),
      environment_(describe_environment(options.compute)),
      store_(RunLayout(parts.directory).checkpoints(), options.checkpoint, parts.disk,
             [this](const std::string& event, const auto& fields) { parts_.reporter.event(event, fields); }),
      replicas_({parts.world, parts.disk, parts.reporter, parts.state, parts.directory},
                options.replica_hash_every),
      saves_({parts.world, parts.state, store_, parts.reporter, parts.clock, &replicas_}, options.checkpoint),
      stops_({parts.world, parts.clock, parts.reporter, parts.stop_times,
              static_cast<double>(parts.state.bytes())}),
      best_(options.checkpoint.keep_best) {
  begin_store(parts.world, store_, room_for_one_checkpoint(parts_.state.bytes()) + beside, parts.attempt);
  saves_.prepare();
  if (parts.world.is_root()) saves_.remember(save_times_of(parts.disk, RunLayout(parts.directory).events()));
}

void RunKeeper::compare_ranks() {
  on_root(parts_.world, [&] { replicas_.recall(); });
  if (!lockstep::compare_ranks(parts_.world, environment_, options_.dist, parts_.reporter))
    replicas_.expect_differences();
}

std::optional<ResumedFrom> RunKeeper::resume(ResumeTarget& target, const ResumeOptions& options) {
  return lockstep::resume({parts_.world, target, store_, parts_.reporter, parts_.disk,
                           RunLayout(parts_.directory).checkpoints(), parts_.attempt},
                          options);
}

void RunKeeper::go_on_from(const ResumedFrom& from, const Describe& own) {
  const TrainRecord& record = from.record;
  if (parts_.world.is_root()) note_change(record.environment, environment_, record.step, parts_.reporter);
  best_.restore(settled_best(parts_.world, store_, record));
  if (from.foreign) {
    saves_.save(own(), SaveReason::kAsked);
    saves_.require(record.step);
  }
  saves_.restored(record.step, from.state_hash);
}

TrainRecord RunKeeper::record_of(const StepRecord& step) const {
  TrainRecord record;
  record.run_id = parts_.run_id;
  record.step = step.step;
  record.epoch = step.epoch;
  record.loss = step.loss;
  record.lr = step.lr;
  record.world = parts_.world.size();
  record.attempt = parts_.attempt;
  record.metrics = step.metrics;
  record.best = best_.saved();
  record.environment = environment_;
  return record;
}

bool RunKeeper::is_best(const StepRecord& step) {
  const bool has_it = step.metrics.contains(options_.checkpoint.keep_best.metric);
  return has_it && best_.beaten_by(step.metrics, step.step);
}

void RunKeeper::save_if_due(const StepRecord& step, Step last, const Describe& describe) {
  const PhaseScope save(parts_.world.watch(), Phase::kSave);
  saves_.poll();
  if (is_best(step))
    saves_.save(describe(), SaveReason::kBest);
  else if (saves_.is_due(step.step, last))
    saves_.save(describe(), SaveReason::kInterval);
}

Wish RunKeeper::ask() {
  trim_kept_tensors();
  stops_.look_ahead(saves_.save_times());
  const Agreed<Wish> wish = stops_.ask(saves_.clock_asks(), saves_.save_times());
  saves_.note_clock_asked(wish.value == Wish::kSave);
  return wish.value;
}

Step RunKeeper::save_and_stop(const TrainRecord& record) {
  if (parts_.world.is_root()) supervisor_line().stopping(stop_signal_received());
  const PhaseScope save(parts_.world.watch(), Phase::kSave);
  const Step saved = save_at_stop({parts_.world, saves_, stops_, parts_.reporter}, record);
  parts_.reporter.event("stopped", {{"step", std::to_string(saved.value)},
                                    {"trained_to", std::to_string(record.step.value)},
                                    {"signal", std::to_string(stop_signal_received())},
                                    {"cause", stops_.cause()}});
  return saved;
}

void RunKeeper::finish(Step step, Epoch epoch) {
  on_root(parts_.world, [&] {
    store_.write_weights_file(RunLayout(parts_.directory).weights());
    parts_.reporter.flush();
    parts_.run_directory->finish({step, epoch, saves_.last_hash()});
    parts_.reporter.event("done",
                          {{"step", std::to_string(step.value)}, {"state_hash", saves_.last_hash().hex()}});
    parts_.reporter.flush();
  });
}

}  // namespace lockstep
