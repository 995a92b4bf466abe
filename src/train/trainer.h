// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "comm/agree_alike.h"
#include "data/micro_batches.h"
#include "lockstep/base/clock.h"
#include "lockstep/data/dataset.h"
#include "lockstep/models/model.h"
#include "loop/compute_device.h"
#include "loop/reporter.h"
#include "loop/resume.h"
#include "run/run_directory.h"
#include "train/admit.h"
#include "train/hook_calls.h"
#include "train/setbacks.h"
#include "train/trainer_options.h"
#include "train/user_code.h"

namespace lockstep {

class Checkpointer;
class Loader;
class RunKeeper;
struct EvaluationOptions;
struct OddEvaluation;
struct PartialSum;
struct StepEngine;

// The finished parts a trainer is built from; what is referenced outlives it.
struct TrainerParts {
  World& world;
  Disk& disk;
  const Clock& clock;
  RunDirectory* run_directory = nullptr;  // rank 0's; null on the others
  std::string directory;                  // <run>, on every rank
  std::string run_id;
  Attempt attempt{1};
  std::shared_ptr<Model> model;
  ComputeDevice compute;
  std::unique_ptr<Dataset> train_data;
  std::unique_ptr<Dataset> valid_data;  // null: no validation
  Reporter reporter;
  AdmitCheckpoint admit;
  StopTimes stop_times;
  Hooks hooks;
};

// How a run left the loop: kDone, or kRequeue when it was asked to stop and has saved.
struct Ending {
  ExitCode code = ExitCode::kDone;
  Step step{0};
  Digest state_hash;    // on rank 0
  bool trained = true;  // false: there was no step left to do
};

// The training loop: resume, step by step forward, save, stop or finish. One instance a process.
class Trainer {
 public:
  // Collective. Throws Fault: 78 for a world or data that do not fit the plan, 73 when there is no room for a
  // checkpoint.
  Trainer(TrainerParts parts, const TrainerOptions& options);
  ~Trainer();

  // Collective. Throws AgreedFault: 65, 66, 70, 74, 78, 93.
  Ending run();

 private:
  Step resume_from_newest_verified();
  StepRecord advance(Step step);
  StepVerdict verdict(const StepRecord& record) const;
  // What became of a bad step; empty: its update is made.
  std::optional<StepRecord> set_back(const StepRecord& record, const Agreed<LargestAlike>& said);
  StepRecord go_back(const BadStep& bad);
  BadStep diverged(const StepRecord& record, const MicroBatches* batch);
  [[noreturn]] void end_diverged(const StepRecord& record, const MicroBatches* batch);
  std::optional<ResumedFrom> resume_by(const ResumeOptions& options);
  void leave_behind(Step limit);
  StepRecord take_over(const ResumedFrom& from);
  void start_loader();
  void start_from_weights();
  std::vector<PartialSum> compute(Step step);
  ModelCall call_at(Step step);
  void reduce(const std::vector<PartialSum>& sums);
  void report(const StepRecord& record, bool last);
  void evaluate_now(StepRecord& record);
  void warn_of(const OddEvaluation& odd, Step step);
  void rehearse_rest(Step first);
  void look_before_saving(const StepRecord& record);
  void save_now(const StepRecord& record);
  Ending save_and_yield(const StepRecord& record);
  Ending finish(StepRecord record);

  bool evaluation_is_due(Step step) const;
  EvaluationOptions evaluation_options();
  std::string model_name();
  Watch& watch() { return parts_.world.watch(); }
  bool norm_is_needed(Step step) const;
  TrainRecord train_record(const StepRecord& record) const;

  TrainerParts parts_;
  TrainerOptions options_;
  std::optional<Step> checked_at_;  // Note [model check]
  std::unique_ptr<StepEngine> engine_;
  std::unique_ptr<RunKeeper> keeper_;
  Checkpointer& checkpointer_;
  HookCalls hooks_;
  Setbacks setbacks_;
  std::unique_ptr<Loader> loader_;
  const MicroBatches* batch_ = nullptr;  // of the step that is computed now
  StepRecord resumed_;                   // the step this life goes on from
};

}  // namespace lockstep
