// SPDX-License-Identifier: Apache-2.0
#include "train/memory_rehearsal.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "base/aligned_block.h"
#include "checkpoint/file_blocks.h"
#include "checkpoint/file_plan.h"
#include "checkpoint/file_writer.h"
#include "comm/agree.h"
#include "data/loader.h"
#include "loop/save_plan.h"
#include "loop/state_freezer.h"
#include "parallel/gradient_exchange.h"
#include "parallel/parted_slots.h"
#include "tensors/kept_tensors.h"
#include "train/evaluator.h"
#include "train/step_engine.h"
#include "train/trainer_options.h"
#include "train/user_code.h"

namespace lockstep {
namespace {

// The first micro-batch of the run that is added to as many partial sums as any.
int deepest_of(MicroBatchRun run, int micro_batches) {
  const std::size_t most = ContributionStack::depth_for(run, micro_batches);
  int count = 1;
  while (ContributionStack::depth_for({run.first, count}, micro_batches) < most) ++count;
  // The one behind it is added where that lies, while all of that is there.
  return run.first + std::min(count, run.count - 1);
}

std::uint64_t bytes_of(const MicroBatches& batches) {
  std::uint64_t bytes = 0;
  for (const HostBatch& batch : batches)
    for (const HostField& field : batch.fields()) bytes += field.bytes.span().size();
  return bytes;
}

// On pages of its own, as all that is staged: large ones need no block of a writer then.
bool is_aligned(std::span<const std::byte> bytes) {
  return reinterpret_cast<std::uintptr_t>(bytes.data()) % kDirectAlignment == 0;
}

std::uint64_t in_blocks(std::uint64_t bytes) {
  return std::min<std::uint64_t>(bytes, FileWriting().writers * kBlockBytes);
}

}  // namespace

struct MemoryRehearsal::Impl {
  Impl(const Parts& made_of, const std::shared_ptr<Model>& model)
      : parts(made_of),
        engine({parts.world, parts.compute, parts.train_data}, model, parts.options),
        freezer(engine.state),
        loader(parts.train_data, engine.order, engine.loading(parts.options)) {
    std::set<int> computed = {deepest_of(engine.plan.mine, engine.plan.micro_batches)};
    if (parts.options.train.check_model) computed.insert(engine.plan.mine.first);
    engine.pass.compute_only(computed);
  }

  void step(Step step) {
    const bool first = step == Step(1);
    const MicroBatches* batches = nullptr;
    guarded(first, [&] { batches = &loader.batch_for(step); });
    found.batches = 2 * bytes_of(*batches);  // one more is read ahead
    engine.targets.begin(parts.world, *batches);
    engine.metrics.begin(parts.options.train.metrics);
    if (first && parts.options.train.check_model) engine.pass.check_next();
    std::vector<PartialSum> sums;
    guarded(first, [&] { sums = engine.pass.run(step, *batches); });
    engine.exchange->reduce(sums);  // no collective before it: gradients may be on their way
    engine.metrics.share(parts.world);
    engine.exchange->norm();
    engine.exchange->apply(&engine.state.optimizer(), {parts.options.optim.lr, 1});
    trim_kept_tensors();
  }

  // As in a run: what does not fit shows itself in the first step, and on all ranks.
  void guarded(bool first, const std::function<void()>& work) {
    const auto run = [&] {
      with_foreign_faults(work, [&](const ForeignException& thrown) { return fault_of(thrown, call()); });
    };
    first ? together(parts.world, run) : run();
  }

  ModelCall call() {
    ModelCall call;
    call.model = engine.state.model().name();
    call.place = fmt::format("a rehearsal of micro-batch {}", engine.pass.micro_batch());
    call.inputs = shapes_of(parts.train_data, engine.plan.micro_batch);
    call.samples = places_of(parts.train_data, {});
    call.micro_batch = engine.plan.micro_batch;
    call.first = true;
    return call;
  }

  void evaluate() {
    if (parts.valid_data == nullptr) return;
    together(parts.world, [&] {
      try_chunks({parts.world, engine.state.model(), *parts.valid_data, parts.compute},
                 {engine.plan.micro_batch, {parts.options.train.loss, parts.options.ignore_label}});
    });
  }

  // All of a save but its bytes: the memory it is staged in, and HDF5, which lays out the file.
  void save() {
    const bool staged = parts.options.checkpoint.async;
    const TrainRecord none;
    const PlannedState planned = plan_save(engine.state, none, parts.options.checkpoint, parts.world.size());
    const auto mine = pieces_of_rank(planned.plan, parts.world.rank());
    if (staged) found.staging = StateFreezer::staging_bytes(planned.tensors, mine);
    if (staged) freezer.prepare(planned, parts.world);
    std::vector<StateTensor> tensors;
    std::uint64_t gathered = 0;
    for (const ShardPiece& piece : mine) {
      tensors.push_back(piece_of(planned.tensors, piece));
      const auto bytes = tensors.back().bytes;
      if (bytes.size() < kStraightFrom || !(staged || is_aligned(bytes))) gathered += bytes.size();
    }
    found.writing = in_blocks(gathered) + engine.state.bytes_to_fetch(parts.world, planned);
    together(parts.world, [&] {
      if (!mine.empty()) lay_out(plan_checkpoint_file(none, tensors));
    });
  }

  void look(ProcessMemory RankMemory::*at) {
    together(parts.world, [&] { found.*at = process_memory(); });
    // None goes on before all have looked.
    parts.world.host().barrier();
  }

  void tell_parts() {
    const ModelArena& arena = engine.state.arena();
    const auto bytes = [&](std::int64_t count) {
      return static_cast<std::uint64_t>(count * arena.values().element_size());
    };
    // What is there once is the first rank's.
    const bool has_common = !engine.shares_state || parts.world.place().local_rank == 0;
    const std::int64_t trainable = has_common ? arena.trainable_count() : 0;
    found.parameters = bytes(arena.values().numel() - arena.trainable_count() + trainable);
    const PartedSlots* const parted = engine.exchange->parted_slots();
    if (parted != nullptr) found.optimizer = parted->own_bytes();
    for (const OptimizerSlot& slot : engine.state.optimizer().slots())
      if (has_common && parted == nullptr) found.optimizer += slot.flat.nbytes();
    // The partial sums; and their mean, where it is not updated with at once.
    const std::size_t sums = ContributionStack::depth_for(engine.plan.mine, engine.plan.micro_batches);
    found.gradients = (sums + (engine.shares_state ? 0 : 1)) * bytes(arena.contribution_count());
    const std::uint64_t model = arena.values().nbytes();
    if (parts.world.is_root()) found.weights = model + in_blocks(model);
    // A save that comes while all that is still there.
    const std::int64_t every = parts.options.checkpoint.every_steps;
    if (every > 0 && every < KeptMemory::kSettled) found.first.own += found.writing;
  }

  const Parts parts;
  StepEngine engine;
  StateFreezer freezer;
  Loader loader;
  RankMemory found;
};

MemoryRehearsal::MemoryRehearsal(const Parts& parts, const std::shared_ptr<Model>& model) {
  ProcessMemory start;
  together(parts.world, [&] { start = process_memory(); });
  impl_ = std::make_unique<Impl>(parts, model);
  impl_->found.start = start;
}
MemoryRehearsal::~MemoryRehearsal() = default;

TrainingState& MemoryRehearsal::state() {
  return impl_->engine.state;
}

RankMemory MemoryRehearsal::run() {
  impl_->save();
  // What only the first steps have used goes back after so many.
  const std::int64_t steps = std::min<std::int64_t>(KeptMemory::kSettled, impl_->engine.plan.last_step.value);
  for (std::int64_t step = 1; step <= steps; ++step) {
    impl_->step(Step(step));
    if (step == 1) impl_->evaluate();
    if (step <= 2) impl_->look(&RankMemory::first);
  }
  impl_->look(&RankMemory::training);
  impl_->tell_parts();
  return impl_->found;
}

}  // namespace lockstep
