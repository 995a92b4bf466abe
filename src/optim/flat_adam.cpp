// SPDX-License-Identifier: Apache-2.0
#include "optim/flat_adam.h"

#include <ATen/Version.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "optim/kernels/kernel_choice.h"
#include "tensors/page_zeros.h"

namespace lockstep {
namespace {

// base ^ count by multiplications alone: pow() may have another last bit on another processor.
double power(double base, double count) {
  double result = 1;
  for (auto left = static_cast<std::uint64_t>(count); left > 0; left /= 2, base *= base)
    if (left % 2 == 1) result *= base;
  return result;
}

class FlatAdam : public FlatOptimizer {
 public:
  FlatAdam(const OptimOptions& options, const torch::Tensor& parameters, ParameterLayout layout)
      : FlatOptimizer(options, parameters, std::move(layout)),
        kernels_(update_kernels_for(at::get_cpu_capability())),
        exp_avg_(zeros_placed_like(parameters)),
        exp_avg_sq_(zeros_placed_like(parameters)),
        step_(torch::zeros({}, torch::TensorOptions(torch::kFloat32).device(parameters.device()))),
        decoupled_(options.type == "adamw") {}

  std::vector<OptimizerSlot> slots() const override {
    return {{"exp_avg", exp_avg_}, {"exp_avg_sq", exp_avg_sq_}};
  }

  bool updates_in_parts() const override { return parameters_.is_cpu(); }

 protected:
  double run_key(double steps) const override { return steps; }

  void prepare(const std::vector<Run>& runs) override {
    numbers_.clear();
    for (const Run& run : runs) {
      const OptimOptions& o = run.options;
      AdamNumbers numbers;
      if (decoupled_)
        numbers.shrink = 1 - run.lr * o.weight_decay;
      else
        numbers.decay = o.weight_decay;
      numbers.blend = 1 - o.betas[0];
      numbers.beta2 = o.betas[1];
      numbers.root_scale = 1 / std::sqrt(1 - power(o.betas[1], run.steps));
      numbers.eps = o.eps;
      numbers.step_size = run.lr / (1 - power(o.betas[0], run.steps));
      numbers.scale = run.scale;
      numbers_.push_back(numbers);
    }
  }

  void apply_part(const Part<float>& part) override { apply_part_of(part); }
  void apply_part(const Part<double>& part) override { apply_part_of(part); }

  void apply(const Run& run, const torch::Tensor& gradients) override {
    // The kernel reads the count from a float32 on the device; ours stays on the host, where a checkpoint
    // reads it without a wait.
    step_.fill_(run.steps);
    const auto fused = decoupled_ ? at::_ops::_fused_adamw_::call : at::_ops::_fused_adam_::call;
    const OptimOptions& o = run.options;
    fused({run.of(parameters_)}, {run.of(gradients)}, {run.of_slot(exp_avg_)}, {run.of_slot(exp_avg_sq_)}, {},
          {step_}, run.lr, o.betas[0], o.betas[1], o.weight_decay, o.eps, /*amsgrad=*/false,
          /*maximize=*/false, {}, {});
  }

 private:
  template <class Number>
  void apply_part_of(const Part<Number>& part) {
    const AdamPart<Number> places{part.count, elements<Number>(parameters_, part.first), part.gradients,
                                  elements<Number>(exp_avg_, part.slot_first),
                                  elements<Number>(exp_avg_sq_, part.slot_first)};
    kernels_(places, numbers_[part.run]);
  }

  const UpdateKernels& kernels_;
  torch::Tensor exp_avg_;
  torch::Tensor exp_avg_sq_;
  torch::Tensor step_;
  bool decoupled_;
  std::vector<AdamNumbers> numbers_;  // of each run
};

}  // namespace

std::unique_ptr<FlatOptimizer> make_flat_adam(const OptimOptions& options, const torch::Tensor& parameters,
                                              ParameterLayout layout) {
  return std::make_unique<FlatAdam>(options, parameters, std::move(layout));
}

}  // namespace lockstep
