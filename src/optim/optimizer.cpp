// SPDX-License-Identifier: Apache-2.0
#include "optim/optimizer.h"

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>

#include "lockstep/base/error.h"
#include "optim/own_optimizer.h"
#include "tensors/page_zeros.h"

namespace lockstep {
namespace {

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

// Note [one flat tensor]: the fused kernels take lists and start once per tensor on the CPU; one flat tensor
// is one pass at memory speed. Each element is computed by itself, so the split over threads cannot change a
// bit. Where parameters are skipped or have been, or are in groups, a call each for the stretches between
// them (Run) does the same; in the normal case there is one, and it is the whole.
class FlatSgd : public FlatOptimizer {
 public:
  FlatSgd(const OptimOptions& options, const torch::Tensor& parameters, ParameterLayout layout)
      : FlatOptimizer(options, parameters, std::move(layout)) {
    if (options.momentum > 0.0) momentum_buffer_.push_back(zeros_placed_like(parameters));
  }

  std::vector<OptimizerSlot> slots() const override {
    if (momentum_buffer_.empty()) return {};
    return {{"momentum_buffer", momentum_buffer_.front()}};
  }

 protected:
  // torch.optim's first buffer is the gradient itself; known from the count, so that a restored run does the
  // same.
  double run_key(double steps) const override { return steps == 1 ? 1 : 0; }

  void apply(const Run& run, const torch::Tensor& gradients) override {
    std::vector<torch::Tensor> momentum;
    for (const torch::Tensor& buffer : momentum_buffer_) momentum.push_back(run.of(buffer));
    at::_fused_sgd_({run.of(parameters_)}, {run.of(gradients)}, momentum, run.options.weight_decay,
                    run.options.momentum, run.lr, /*dampening=*/0.0, run.options.nesterov, /*maximize=*/false,
                    /*is_first_step=*/run.steps == 1);
  }

 private:
  std::vector<torch::Tensor> momentum_buffer_;
};

class FlatAdam : public FlatOptimizer {
 public:
  FlatAdam(const OptimOptions& options, const torch::Tensor& parameters, ParameterLayout layout)
      : FlatOptimizer(options, parameters, std::move(layout)),
        exp_avg_(zeros_placed_like(parameters)),
        exp_avg_sq_(zeros_placed_like(parameters)),
        step_(torch::zeros({}, torch::TensorOptions(torch::kFloat32).device(parameters.device()))),
        fused_(options.type == "adamw" ? &decoupled : &coupled) {}

  std::vector<OptimizerSlot> slots() const override {
    return {{"exp_avg", exp_avg_}, {"exp_avg_sq", exp_avg_sq_}};
  }

 protected:
  double run_key(double steps) const override { return steps; }

  void apply(const Run& run, const torch::Tensor& gradients) override {
    // The kernel reads the count from a float32 on the device; ours stays on the host, where a checkpoint
    // reads it without a wait.
    step_.fill_(run.steps);
    fused_(*this, run, run.of(gradients));
  }

 private:
  static void decoupled(FlatAdam& self, const Run& run, const torch::Tensor& gradients) {
    const OptimOptions& o = run.options;
    at::_fused_adamw_({run.of(self.parameters_)}, {gradients}, {run.of(self.exp_avg_)},
                      {run.of(self.exp_avg_sq_)}, {}, {self.step_}, run.lr, o.betas[0], o.betas[1],
                      o.weight_decay, o.eps, /*amsgrad=*/false, /*maximize=*/false);
  }
  static void coupled(FlatAdam& self, const Run& run, const torch::Tensor& gradients) {
    const OptimOptions& o = run.options;
    at::_fused_adam_({run.of(self.parameters_)}, {gradients}, {run.of(self.exp_avg_)},
                     {run.of(self.exp_avg_sq_)}, {}, {self.step_}, run.lr, o.betas[0], o.betas[1],
                     o.weight_decay, o.eps, /*amsgrad=*/false, /*maximize=*/false);
  }

  torch::Tensor exp_avg_;
  torch::Tensor exp_avg_sq_;
  torch::Tensor step_;
  void (*fused_)(FlatAdam&, const Run&, const torch::Tensor&);
};

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
  if (options.type == "sgd") return std::make_unique<FlatSgd>(options, parameters, std::move(layout));
  return std::make_unique<FlatAdam>(options, parameters, std::move(layout));
}

torch::Tensor FlatOptimizer::new_slot() const {
  return zeros_placed_like(parameters_);
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
  check(reached.size() == steps_.size(), "each parameter was reached or not");
  const torch::NoGradGuard no_grad;
  for (std::size_t first = 0, next = 0; first < steps_.size(); first = next) {
    next = first + 1;
    if (!reached[first]) continue;
    const double steps = ++steps_[first];
    const int group = layout_.groups[first];
    while (next < steps_.size() && !one_by_one() && reached[next] && layout_.groups[next] == group &&
           run_key(steps_[next] + 1) == run_key(steps))
      ++steps_[next++];
    const std::int64_t count = end_of(next - 1) - layout_.offsets[first];
    if (count == 0) continue;
    const OptimOptions& own = options_of(group);
    apply(
        {layout_.offsets[first], count, first, steps, lr_of_group(own.lr, options_of(kNoGroup).lr, lr), own},
        gradients);
  }
}

}  // namespace lockstep
