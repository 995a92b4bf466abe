// SPDX-License-Identifier: Apache-2.0
#include "optim/flat_sgd.h"

#include <ATen/Version.h>
#include <ATen/ops/_fused_sgd.h>

#include "optim/kernels/kernel_choice.h"
#include "tensors/page_zeros.h"

namespace lockstep {
namespace {

class FlatSgd : public FlatOptimizer {
 public:
  FlatSgd(const OptimOptions& options, const torch::Tensor& parameters, ParameterLayout layout)
      : FlatOptimizer(options, parameters, std::move(layout)),
        kernels_(update_kernels_for(at::get_cpu_capability())) {
    if (options.momentum > 0.0) momentum_buffer_.push_back(zeros_placed_like(parameters));
  }

  std::vector<OptimizerSlot> slots() const override {
    if (momentum_buffer_.empty()) return {};
    return {{"momentum_buffer", momentum_buffer_.front()}};
  }

  bool updates_in_parts() const override { return parameters_.is_cpu(); }

 protected:
  // torch.optim's first buffer is the gradient itself; known from the count, so that a restored run does the
  // same.
  double run_key(double steps) const override { return steps == 1 ? 1 : 0; }

  void prepare(const std::vector<Run>& runs) override {
    numbers_.clear();
    for (const Run& run : runs) {
      MomentumUse use = run.steps == 1 ? MomentumUse::kFirst : MomentumUse::kLater;
      if (momentum_buffer_.empty()) use = MomentumUse::kNone;
      const OptimOptions& o = run.options;
      numbers_.push_back({run.lr, o.weight_decay, o.momentum, use, o.nesterov, run.scale});
    }
  }

  void apply_part(const Part<float>& part) override { apply_part_of(part); }
  void apply_part(const Part<double>& part) override { apply_part_of(part); }

  void apply(const Run& run, const torch::Tensor& gradients) override {
    std::vector<torch::Tensor> momentum;
    for (const torch::Tensor& buffer : momentum_buffer_) momentum.push_back(run.of_slot(buffer));
    at::_fused_sgd_({run.of(parameters_)}, {run.of(gradients)}, momentum, run.options.weight_decay,
                    run.options.momentum, run.lr, /*dampening=*/0.0, run.options.nesterov, /*maximize=*/false,
                    /*is_first_step=*/run.steps == 1);
  }

 private:
  template <class Number>
  void apply_part_of(const Part<Number>& part) {
    Number* const buffer =
        momentum_buffer_.empty() ? nullptr : elements<Number>(momentum_buffer_.front(), part.slot_first);
    const SgdPart<Number> places{part.count, elements<Number>(parameters_, part.first), part.gradients,
                                 buffer};
    kernels_(places, numbers_[part.run]);
  }

  const UpdateKernels& kernels_;
  std::vector<torch::Tensor> momentum_buffer_;
  std::vector<SgdNumbers> numbers_;  // of each run
};

}  // namespace

std::unique_ptr<FlatOptimizer> make_flat_sgd(const OptimOptions& options, const torch::Tensor& parameters,
                                             ParameterLayout layout) {
  return std::make_unique<FlatSgd>(options, parameters, std::move(layout));
}

}  // namespace lockstep
