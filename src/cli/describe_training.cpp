// SPDX-License-Identifier: Apache-2.0
#include "cli/describe_training.h"

#include <fmt/format.h>

#include "cli/describe_memory.h"
#include "cli/prepare_training.h"
#include "comm/agree.h"
#include "loop/save_plan.h"
#include "loop/standard_streams.h"
#include "loop/state_freezer.h"
#include "parallel/ownership.h"
#include "train/memory_rehearsal.h"
#include "train/plan.h"
#include "train/training_state.h"

namespace lockstep {
namespace {

std::string shares(const TrainingPlan& plan, const World& world) {
  std::string text;
  for (int rank = 0; rank < world.size().value; ++rank) {
    const MicroBatchRun run = run_of(world, Rank(rank), plan.micro_batches);
    text += fmt::format("  rank {}: micro-batches {}..{}\n", rank, run.first, run.end() - 1);
  }
  return text;
}

std::string parameters(const ModelArena& arena) {
  const auto elements = [](const std::vector<ArenaEntry>& entries) {
    std::int64_t sum = 0;
    for (const ArenaEntry& entry : entries) sum += entry.count;
    return sum;
  };
  const std::string all = fmt::format("{} parameters", elements(arena.parameters()));
  if (arena.frozen().empty()) return all;
  return fmt::format("{} ({} of them in {} frozen tensors)", all, elements(arena.frozen()),
                     arena.frozen().size());
}

// Rank 0's share is the largest, or within one digest leaf of it.
std::string staging(TrainingState& state, const CheckpointOptions& options, const World& world) {
  if (!options.async) return "";
  const TrainRecord none;
  const PlannedState planned = plan_save(state, none, options, world.size());
  const auto pieces = pieces_of_rank(planned.plan, Rank{0});
  return fmt::format(" ({}), and saving it beside the training {} bytes of memory on a rank",
                     planned.plan.layout, StateFreezer::staging_bytes(planned.tensors, pieces));
}

}  // namespace

int describe_training(Job& job, const Registries& registries) {
  const RunConfig& config = job.config;
  std::unique_ptr<Dataset> data, valid;
  std::shared_ptr<Model> model;
  std::string text;
  together(job.world, [&] {
    data = registries.datasets.open(config.data, DataPart::kTrain);
    valid = registries.datasets.open(config.data, DataPart::kValid);
    model = make_model(config, registries);
    const SampleOrder order{config.run.seed, data->size(), config.train.global_batch, config.data.shuffle};
    const TrainingPlan plan = make_plan(config.train, order, job.world);
    text = fmt::format(
        "{} samples, {} steps an epoch ({} samples left out), {} steps in all\n"
        "data.train: {}\n"
        "{} samples a step in {} micro-batches of {}\n{}",
        data->size(), plan.steps_per_epoch, order.left_out(), plan.last_step.value, data->description(),
        plan.global_batch, plan.micro_batches, plan.micro_batch, shares(plan, job.world));
  });
  const TrainerOptions options = trainer_options(config);
  MemoryRehearsal rehearsal({job.world, job.compute, *data, valid.get(), options}, model);
  together(job.world, [&] {
    text += fmt::format("{}; a checkpoint takes {} bytes{}\nrun directory {}\n",
                        parameters(rehearsal.state().arena()), rehearsal.state().bytes(),
                        staging(rehearsal.state(), config.checkpoint, job.world), config.run.dir);
  });
  text += describe_memory(job.world, rehearsal.run());
  if (job.world.is_root()) print(text);
  return 0;
}

}  // namespace lockstep
