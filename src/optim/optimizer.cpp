// SPDX-License-Identifier: Apache-2.0
#include "optim/optimizer.h"

#include <ATen/Dispatch.h>
#include <fmt/format.h>

#include <algorithm>

#include "lockstep/base/error.h"
#include "optim/flat_adam.h"
#include "optim/flat_sgd.h"
#include "optim/own_optimizer.h"
#include "tensors/in_parallel.h"
#include "tensors/page_zeros.h"

namespace lockstep {
namespace {

// What a thread takes at least; the cut changes no bit.
constexpr std::int64_t kGrain = 1 << 15;

void require(bool holds, const std::string& fact, const std::string& remedy) {
  if (!holds) throw Fault{ExitCode::kConfig, fact, remedy};
}

// An option without effect is an error: whoever writes momentum beside adam believes that it does something.
void check_options(const OptimOptions& options) {
  const auto in_unit = [](double beta) { return beta >= 0.0 && beta < 1.0; };
  require(options.lr >= 0.0, fmt::format("optim.lr is {}", options.lr), "it must not be negative");
  require(options.weight_decay >= 0.0, fmt::format("optim.weight_decay is {}", options.weight_decay),
          "it must not be negative");
  if (options.type == "sgd") {
    require(in_unit(options.momentum), fmt::format("optim.momentum is {}", options.momentum),
            "it must be in [0, 1)");
    require(!options.nesterov || options.momentum > 0.0, "optim.nesterov is true, but optim.momentum is 0",
            "set optim.momentum, or leave nesterov out");
    return;
  }
  require(in_unit(options.betas[0]) && in_unit(options.betas[1]),
          fmt::format("optim.betas is [{}, {}]", options.betas[0], options.betas[1]),
          "both must be in [0, 1)");
  require(options.eps >= 0.0, fmt::format("optim.eps is {}", options.eps), "it must not be negative");
  require(options.momentum == 0.0 && !options.nesterov,
          fmt::format("optim.momentum and optim.nesterov have no effect on {}", options.type),
          "leave them out, or use optim.type: sgd");
}

}  // namespace

FlatOptimizer::FlatOptimizer(const OptimOptions& options, const torch::Tensor& parameters,
                             ParameterLayout layout)
    // Detached, it shares the memory but not the history: in-place updates of a leaf are legal.
    : parameters_(parameters.detach()), layout_(std::move(layout)), steps_(layout_.offsets.size(), 0) {
  check(parameters.dim() == 1 && parameters.is_contiguous(),
        "an optimizer works on one flat, contiguous tensor");
  check(parameters.scalar_type() == torch::kFloat32 || parameters.scalar_type() == torch::kFloat64,
        "the optimizer's parameters are float32 or float64");
  const ParameterOffsets& offsets = layout_.offsets;
  ParameterGroups& groups = layout_.groups;
  check(!offsets.empty() && offsets.front() == 0 && std::is_sorted(offsets.begin(), offsets.end()) &&
            offsets.back() <= parameters.numel(),
        "parameters begin one after the other, the first at 0");
  groups.resize(groups.empty() ? offsets.size() : groups.size(), kNoGroup);
  check(groups.size() == offsets.size(), "each parameter has a group, or none has");
  for (int group = kNoGroup; group < std::ssize(options.groups); ++group)
    options_.push_back(options_of_group(options, group));
}

std::unique_ptr<FlatOptimizer> FlatOptimizer::make(const OptimOptions& options,
                                                   const torch::Tensor& parameters, ParameterLayout layout) {
  require(
      options.own != nullptr || options.type == "sgd" || options.type == "adam" || options.type == "adamw",
      fmt::format("optim.type is '{}'", options.type), "use sgd, adam or adamw");
  check_options(options);
  for (int group = 0; group < std::ssize(options.groups); ++group) {
    const OptimGroup& own = options.groups[static_cast<std::size_t>(group)];
    require((options.type != "sgd" && options.own == nullptr) || (!own.betas && !own.eps),
            fmt::format("betas and eps of group {} have no effect on {}", group, options.type),
            "leave them out");
    check_options(options_of_group(options, group));
  }
  const torch::NoGradGuard no_grad;
  if (options.own != nullptr) return make_own_optimizer(options, parameters, std::move(layout));
  if (options.type == "sgd") return make_flat_sgd(options, parameters, std::move(layout));
  return make_flat_adam(options, parameters, std::move(layout));
}

torch::Tensor FlatOptimizer::new_slot() const {
  return zeros_placed_like(parameters_);
}

void FlatOptimizer::move_to(const torch::Tensor& parameters, const std::vector<torch::Tensor>& slots) {
  parameters_ = parameters.detach();
  const std::vector<OptimizerSlot> mine = this->slots();
  check(slots.size() == mine.size(), "each slot has a new place");
  for (std::size_t i = 0; i < mine.size(); ++i) torch::Tensor(mine[i].flat).set_data(slots[i]);
}

void FlatOptimizer::keep_parts(std::vector<Slice> parts) {
  check(is_elementwise(), "an update that looks at a whole parameter has it whole");
  parts_ = std::move(parts);
  std::int64_t count = 0;
  for (const Slice& part : parts_) count += part.count();
  for (const OptimizerSlot& slot : slots())
    torch::Tensor(slot.flat).set_data(zeros_from_a_page_on(count, slot.flat.options()));
}

void FlatOptimizer::set_steps(std::vector<double> steps) {
  check(steps.size() == steps_.size(), "each parameter has a step count");
  steps_ = std::move(steps);
}

std::int64_t FlatOptimizer::end_of(std::size_t parameter) const {
  return parameter + 1 < layout_.offsets.size() ? layout_.offsets[parameter + 1] : parameters_.numel();
}

const OptimOptions& FlatOptimizer::options_of(int group) const {
  return options_.at(static_cast<std::size_t>(group - kNoGroup));
}

void FlatOptimizer::update(const torch::Tensor& gradients, double lr) {
  update(gradients, lr, std::vector<char>(steps_.size(), 1));
}

void FlatOptimizer::update(const torch::Tensor& gradients, double lr, const std::vector<char>& reached) {
  check(gradients.sizes() == parameters_.sizes() && gradients.scalar_type() == parameters_.scalar_type() &&
            gradients.is_contiguous() && gradients.device() == parameters_.device(),
        "gradients are laid out like the parameters");
  find_runs(lr, reached, /*scale=*/1);
  if (updates_in_parts())
    return AT_DISPATCH_FLOATING_TYPES(gradients.scalar_type(), "update",
                                      [&] { update_by_parts<scalar_t>(gradients); });
  const torch::NoGradGuard no_grad;
  for (const Run& run : runs_) apply(run, gradients);
}

template <class Number>
void FlatOptimizer::update_by_parts(const torch::Tensor& gradients) {
  prepare(runs_);
  const PendingMean<Number> all{gradients.const_data_ptr<Number>()};
  const std::int64_t grains = (gradients.numel() + kGrain - 1) / kGrain;
  in_parallel(0, grains, 1, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t from = begin * kGrain;
    const std::int64_t count = std::min(end * kGrain, gradients.numel()) - from;
    update_part(from, count, all.from(from));
  });
}

void FlatOptimizer::begin_update(double lr, const std::vector<char>& reached, double scale) {
  check(updates_in_parts(), "an update is begun where it is made in parts");
  find_runs(lr, reached, scale);
  prepare(runs_);
}

template <class Number>
void FlatOptimizer::update_part(std::int64_t first, std::int64_t count,
                                const PendingMean<Number>& gradients) {
  const std::int64_t end = first + count;
  check(first >= 0 && count >= 0 && end <= parameters_.numel(), "a part lies within the parameters");
  check(parameters_.scalar_type() == c10::CppTypeToScalarType<Number>::value,
        "gradients have the parameters' dtype");
  auto run = std::ranges::upper_bound(runs_, first, {}, [](const Run& one) { return one.first + one.count; });
  for (; run != runs_.end() && run->first < end; ++run) {
    const std::int64_t from = std::max(first, run->first);
    const std::int64_t to = std::min(end, run->first + run->count);
    apply_part(Part<Number>{static_cast<std::size_t>(run - runs_.begin()), from,
                            run->slot_first + (from - run->first), to - from, gradients.from(from - first)});
  }
}

template void FlatOptimizer::update_part(std::int64_t, std::int64_t, const PendingMean<float>&);
template void FlatOptimizer::update_part(std::int64_t, std::int64_t, const PendingMean<double>&);

// Note [one flat tensor]: kernels that take lists start once a tensor; one flat tensor is one pass at memory
// speed. Where parameters are skipped or have been, or are in groups, there is a run for each of the
// stretches between them; in the normal case there is one, and it is the whole.
void FlatOptimizer::find_runs(double lr, const std::vector<char>& reached, double scale) {
  check(reached.size() == steps_.size(), "each parameter was reached or not");
  runs_.clear();
  for (std::size_t first = 0, next = 0; first < steps_.size(); first = next) {
    next = first + 1;
    if (!reached[first]) continue;
    const double steps = ++steps_[first];
    const int group = layout_.groups[first];
    while (next < steps_.size() && is_elementwise() && reached[next] && layout_.groups[next] == group &&
           run_key(steps_[next] + 1) == run_key(steps))
      ++steps_[next++];
    const std::int64_t count = end_of(next - 1) - layout_.offsets[first];
    if (count == 0) continue;
    const OptimOptions& own = options_of(group);
    const double own_lr = lr_of_group(own.lr, options_of(kNoGroup).lr, lr);
    const std::int64_t begin = layout_.offsets[first];
    runs_.push_back({begin, count, begin, first, steps, own_lr, scale, own});
  }
  if (!parts_.empty()) cut_runs();
}

void FlatOptimizer::cut_runs() {
  std::vector<Run> cut;
  std::int64_t slot_begin = 0;
  for (const Slice& part : parts_) {
    for (const Run& run : runs_) {
      const Slice both{std::max(part.begin, run.first), std::min(part.end, run.first + run.count)};
      if (both.count() <= 0) continue;
      cut.push_back(run);
      cut.back().first = both.begin;
      cut.back().count = both.count();
      cut.back().slot_first = slot_begin + (both.begin - part.begin);
    }
    slot_begin += part.count();
  }
  runs_.swap(cut);
}

}  // namespace lockstep
