// SPDX-License-Identifier: Apache-2.0
#include "parallel/micro_batch_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "parallel/early_exchange.h"
#include "parallel/gradient_exchange.h"
#include "parallel/gradient_hooks.h"
#include "parallel/graphed_pass.h"
#include "parallel/kept_buffers.h"
#include "parallel/micro_batch_key.h"
#include "parallel/model_check.h"
#include "tensors/generator_states.h"

namespace lockstep {
namespace {

void require_scalar(const torch::Tensor& loss, std::int64_t step) {
  if (!loss.defined() || loss.numel() != 1 || !loss.is_floating_point())
    throw Fault(ExitCode::kConfig, fmt::format("step {}: the loss is not one floating-point number", step),
                "Give the mean over the micro-batch's samples");
  if (loss.requires_grad()) return;
  throw Fault(ExitCode::kConfig,
              fmt::format("step {}: the loss depends on no trainable parameter of the model", step),
              "Compute it from the model's output, without detach(), .item() or NoGradGuard");
}

}  // namespace

// What belongs to one arena of the model.
struct MicroBatchPass::Lane {
  Lane(const ModelArena& of, const PassOptions& options)
      : arena(of), hooks(of), stack(of, options.mine, options.micro_batches), start(of) {
    for (const auto& [name, tensor] : of.integer_buffers()) integers.push_back(tensor.clone());
  }

  void aim(PartialSum& sum, bool adds) {
    target = &sum;
    accumulates = adds;
    hooks.aim(sum, adds);
  }

  void contribute(std::int64_t offset, const torch::Tensor& values) const {
    const torch::Tensor place = target->flat.narrow(0, offset, values.numel());
    accumulates ? place.add_(values) : place.copy_(values);
  }

  void settle_integers(bool first) {
    const auto& now = arena.integer_buffers();
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (first) {
        integers[i].copy_(now[i].second);
      } else if (!torch::equal(integers[i], now[i].second)) {
        throw Fault(
            ExitCode::kBug,
            fmt::format("integer buffer {} differs between micro-batches of one step", now[i].first),
            "A model's integer buffers must not depend on the data; keep such state in floating buffers");
      }
    }
  }

  const ModelArena& arena;
  GradientHooks hooks;
  ContributionStack stack;
  KeptBuffers start;                    // the buffers at the step's beginning
  std::vector<torch::Tensor> integers;  // what the first micro-batch of the step left
  PartialSum* target = nullptr;         // where the micro-batch's contribution goes,
  bool accumulates = false;             // added to what is there
  EarlyExchange* early = nullptr;       // null: nothing leaves before the pass has ended
};

// What came of the first micro-batch of a run, for the check.
struct MicroBatchPass::Check {
  std::vector<MicroBatchBits> bits;
};

MicroBatchPass::MicroBatchPass(std::vector<const ModelArena*> arenas, const PassOptions& options)
    : options_(options) {
  for (const ModelArena* arena : arenas) {
    lanes_.push_back(std::make_unique<Lane>(*arena, options));
    for (const torch::Tensor& tensor : arena->trainable_tensors()) own_.insert(tensor.unsafeGetTensorImpl());
  }
}

MicroBatchPass::~MicroBatchPass() = default;

void MicroBatchPass::use(const GradientExchange& exchange, std::size_t arena) {
  if (const auto places = exchange.contributions(); !places.empty()) lanes_[arena]->stack.use(places);
  lanes_[arena]->hooks.adopt(exchange.reads_in_place());
  EarlyExchange* const early = lanes_[arena]->early = exchange.early();
  check(early == nullptr || graph_ == nullptr, "the gradients of a graph are there at its end");
  if (early != nullptr) lanes_[arena]->hooks.tell([early](std::size_t index) { early->arrived(index); });
}

void MicroBatchPass::use(GraphedPass& graph) {
  check(lanes_.size() == 1, "a graph has all gradients of a pass");
  graph_ = &graph;
}

void MicroBatchPass::check_next() {
  check_ = std::make_unique<Check>();
}

void MicroBatchPass::undo() const {
  for (const auto& lane : lanes_) lane->start.put_back();
}

std::vector<PartialSum> MicroBatchPass::sums(std::size_t arena) const {
  return lanes_[arena]->stack.sums();
}

torch::Tensor MicroBatchPass::losses() const {
  return losses_.defined() ? losses_.cpu() : losses_;
}

void MicroBatchPass::drain() {
  for (const auto& lane : lanes_) {
    if (lane->early == nullptr) continue;
    lane->early->end_last();
    lane->early->drain(lane->stack);
  }
}

void MicroBatchPass::run(Step step, const Loss& loss) {
  for (const auto& lane : lanes_)
    if (lane->early != nullptr) lane->early->begin_step();
  try {
    try_run(step, loss);
  } catch (...) {
    drain();
    throw;
  }
}

void MicroBatchPass::try_run(Step step, const Loss& loss) {
  for (const auto& lane : lanes_) lane->start.keep();
  while (!run_all(step, loss)) {
  }
  if (check_) check_model(step, loss);
  if (graph_ != nullptr && !graph_->is_trusted()) try_graph(step, loss);
}

// False when a gradient was late (Note [gradients]); each time one more parameter is known for it.
bool MicroBatchPass::run_all(Step step, const Loss& loss) {
  if (options_.keeps_losses)
    losses_ = torch::zeros({options_.micro_batches},
                           lanes_.front()->arena.values().options().dtype(torch::kFloat64));
  for (const auto& lane : lanes_) lane->stack.clear();
  if (check_) check_->bits.clear();
  for (int micro_batch = options_.mine.first; micro_batch < options_.mine.end(); ++micro_batch) {
    if (!run_one(step, micro_batch, loss)) {
      undo();
      return false;
    }
    if (check_ && micro_batch == options_.mine.first)
      for (const auto& lane : lanes_) check_->bits.emplace_back(lane->arena, lane->stack.target());
  }
  return true;
}

bool MicroBatchPass::run_one(Step step, int micro_batch, const Loss& loss) {
  micro_batch_ = micro_batch;
  const bool first = micro_batch == options_.mine.first;
  if (!first) undo();
  for (const auto& lane : lanes_) {
    lane->stack.open(micro_batch);
    lane->aim(lane->stack.target(), lane->stack.accumulates());
  }
  if (!replay(step, micro_batch) && !compute_early(step, micro_batch, loss)) return false;
  const torch::NoGradGuard no_grad;
  for (const auto& lane : lanes_) {
    lane->settle_integers(first);
    lane->stack.close();
  }
  ++computed_;
  fault_point("micro_batch", micro_batch);
  return true;
}

// The gradients of the last one may leave meanwhile.
bool MicroBatchPass::compute_early(Step step, int micro_batch, const Loss& loss) {
  const auto each = [&](auto&& tell) {
    for (const auto& lane : lanes_)
      if (lane->early != nullptr) tell(*lane);
  };
  if (micro_batch + 1 == options_.mine.end()) each([](Lane& lane) { lane.early->begin_last(lane.stack); });
  const bool complete = compute(step, micro_batch, loss);
  each([](Lane& lane) { lane.early->end_last(); });
  if (!complete) each([](Lane& lane) { lane.early->begin_again(); });
  return complete;
}

bool MicroBatchPass::compute(Step step, int micro_batch, const Loss& loss) {
  if (graph_ != nullptr) graph_->fill(micro_batch);
  torch::manual_seed(micro_batch_key(options_.seed, step, micro_batch));
  return forward_backward(step, micro_batch, loss);
}

// False where the graph is not there yet, or not for this one.
bool MicroBatchPass::replay(Step step, int micro_batch) {
  if (graph_ == nullptr || !graph_->is_trusted() || !replay_graph(step, micro_batch)) return false;
  const torch::NoGradGuard no_grad;
  ContributionStack& stack = lanes_[0]->stack;
  const torch::Tensor& sum = graph_->sum().flat;
  stack.accumulates() ? stack.target().flat.add_(sum) : stack.target().flat.copy_(sum);
  return true;
}

// False where the samples do not fit it.
bool MicroBatchPass::replay_graph(Step step, int micro_batch) {
  if (!graph_->fill(micro_batch)) return false;
  torch::manual_seed(micro_batch_key(options_.seed, step, micro_batch));
  graph_->replay();
  return true;
}

bool MicroBatchPass::forward_backward(Step step, int micro_batch, const Loss& loss_of) {
  const torch::Tensor loss = loss_of(micro_batch);
  require_scalar(loss, called(step));
  for (const auto& lane : lanes_) lane->hooks.watch();
  {
    std::optional<OtherGradients> others;
    if (options_.spares_others) others.emplace(loss, own_);
    loss.backward();
  }
  bool complete = true;
  for (const auto& lane : lanes_)
    complete = lane->hooks.settle() == GradientHooks::Outcome::kComplete && complete;
  if (!complete) return false;
  if (std::ranges::none_of(lanes_, [](const auto& lane) { return lane->hooks.reached_any(); }))
    throw Fault(
        ExitCode::kConfig,
        fmt::format("step {}: the loss depends on no parameter of the model that is trained", called(step)),
        "Compute it from the output of that very module; one that takes its place later is another");
  const torch::NoGradGuard no_grad;
  if (losses_.defined()) losses_[micro_batch].copy_(loss.detach().squeeze());
  for (const auto& lane : lanes_) {
    lane->contribute(lane->arena.trainable_count(), lane->arena.buffer_values());
    lane->contribute(lane->arena.changed_offset(), lane->start.changed());
    lane->contribute(lane->arena.loss_offset(), loss.detach().view({1}));
  }
  return true;
}

// Records the first micro-batch that can be; then computes each both ways (Note [graphed pass]).
void MicroBatchPass::try_graph(Step step, const Loss& loss) {
  Lane& lane = *lanes_[0];
  const KeptGenerators generators(lane.arena.values().device());
  const KeptBuffers left(lane.arena);
  PartialSum own{{options_.mine.first, 1}, lane.arena.new_contribution(), {}};
  int tried = 0;
  for (int micro_batch = options_.mine.first; micro_batch < options_.mine.end(); ++micro_batch) {
    if (!graph_->fill(micro_batch)) continue;
    undo();
    if (!graph_->is_recorded())
      graph_->record([=, this, &lane] {
        lane.aim(graph_->sum(), /*adds=*/false);
        check(forward_backward(step, micro_batch, loss), "the passes before have found all late gradients");
      });
    undo();
    lane.aim(own, /*adds=*/false);
    check(compute(step, micro_batch, loss), "the passes before have found all late gradients");
    const MicroBatchBits bits(lane.arena, own);
    undo();
    check(replay_graph(step, micro_batch), "what was recorded can be replayed");
    graph_->compare(bits, called(step), micro_batch);
    ++tried;
  }
  if (tried > 0) graph_->count_tried_step();
  left.put_back();
}

void MicroBatchPass::check_model(Step step, const Loss& loss) {
  const std::unique_ptr<Check> check = std::move(check_);
  const KeptGenerators generators(lanes_.front()->arena.values().device());
  std::vector<KeptBuffers> left;
  for (const auto& lane : lanes_) left.emplace_back(lane->arena);
  const int first = options_.mine.first;
  // State may show only in the third call.
  for (int calls = options_.mine.count; calls == options_.mine.count || calls < 3; ++calls) {
    undo();
    std::vector<PartialSum> again;
    for (const auto& lane : lanes_) again.push_back({{first, 1}, lane->arena.new_contribution(), {}});
    for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i]->aim(again[i], /*adds=*/false);
    try {
      // A gradient that is late only now is of a pass that went another way than the first.
      if (!compute(step, first, loss)) refuse_model(called(step), first, "accumulates a gradient more often");
    } catch (const c10::Error& error) {
      refuse_model(called(step), first, fmt::format("throws {}", error.what_without_backtrace()));
    }
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      const std::string what = check->bits[i].difference({lanes_[i]->arena, again[i]});
      if (!what.empty()) refuse_model(called(step), first, "differs in " + what);
    }
  }
  for (const KeptBuffers& buffers : left) buffers.put_back();
}

}  // namespace lockstep
