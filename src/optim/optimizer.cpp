// SPDX-License-Identifier: Apache-2.0
#include "optim/optimizer.h"

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "base/aligned_block.h"
#include "base/huge_pages.h"
#include "lockstep/base/error.h"

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

constexpr std::int64_t kPageBytes{kDirectAlignment};

std::int64_t place_in_page(const torch::Tensor& tensor) {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % kPageBytes);
}

// Zeros that lie in their pages as the parameters do: what a checkpoint can write straight from memory of the
// one, it can of the other.
torch::Tensor zeros_placed_like(const torch::Tensor& parameters) {
  const auto element = static_cast<std::int64_t>(parameters.element_size());
  const torch::Tensor memory =
      torch::empty({parameters.numel() + kPageBytes / element}, parameters.options().requires_grad(false));
  if (memory.is_cpu()) prefer_huge_pages(memory.data_ptr(), memory.nbytes());
  memory.zero_();
  const std::int64_t ahead = place_in_page(parameters) - place_in_page(memory) + kPageBytes;
  return memory.narrow(0, ahead % kPageBytes / element, parameters.numel());
}

// Note [one flat tensor]: the fused kernels take lists and start once per tensor on the CPU; one flat tensor
// is one pass at memory speed. Each element is computed by itself, so the split over threads cannot change a
// bit.
class Sgd : public FlatOptimizer {
 public:
  Sgd(const OptimOptions& options, const torch::Tensor& parameters) : FlatOptimizer(options, parameters) {
    if (options.momentum > 0.0) momentum_buffer_.push_back(zeros_placed_like(parameters));
  }

  std::vector<Slot> slots() const override {
    if (momentum_buffer_.empty()) return {};
    return {{"momentum_buffer", momentum_buffer_.front()}};
  }

 protected:
  void apply(const torch::Tensor& gradients, double lr) override {
    // torch.optim's first buffer is the gradient itself; known from the count, so that a restored run does
    // the same.
    const bool is_first_step = steps_done() == 1;
    at::_fused_sgd_({parameters_}, {gradients}, momentum_buffer_, options_.weight_decay, options_.momentum,
                    lr,
                    /*dampening=*/0.0, options_.nesterov, /*maximize=*/false, is_first_step);
  }

 private:
  std::vector<torch::Tensor> momentum_buffer_;
};

class Adam : public FlatOptimizer {
 public:
  Adam(const OptimOptions& options, const torch::Tensor& parameters)
      : FlatOptimizer(options, parameters),
        exp_avg_(zeros_placed_like(parameters)),
        exp_avg_sq_(zeros_placed_like(parameters)),
        step_(torch::zeros({}, torch::TensorOptions(torch::kFloat32).device(parameters.device()))),
        fused_(options.type == "adamw" ? &decoupled : &coupled) {}

  std::vector<Slot> slots() const override { return {{"exp_avg", exp_avg_}, {"exp_avg_sq", exp_avg_sq_}}; }

 protected:
  void apply(const torch::Tensor& gradients, double lr) override {
    // The kernel reads the count from a float32 on the device; ours stays on the host, where a checkpoint
    // reads it without a wait.
    step_.fill_(steps_done());
    fused_(*this, gradients, lr);
  }

 private:
  static void decoupled(Adam& self, const torch::Tensor& gradients, double lr) {
    const OptimOptions& o = self.options_;
    at::_fused_adamw_({self.parameters_}, {gradients}, {self.exp_avg_}, {self.exp_avg_sq_}, {}, {self.step_},
                      lr, o.betas[0], o.betas[1], o.weight_decay, o.eps, /*amsgrad=*/false,
                      /*maximize=*/false);
  }
  static void coupled(Adam& self, const torch::Tensor& gradients, double lr) {
    const OptimOptions& o = self.options_;
    at::_fused_adam_({self.parameters_}, {gradients}, {self.exp_avg_}, {self.exp_avg_sq_}, {}, {self.step_},
                     lr, o.betas[0], o.betas[1], o.weight_decay, o.eps, /*amsgrad=*/false,
                     /*maximize=*/false);
  }

  torch::Tensor exp_avg_;
  torch::Tensor exp_avg_sq_;
  torch::Tensor step_;
  void (*fused_)(Adam&, const torch::Tensor&, double);
};

}  // namespace

FlatOptimizer::FlatOptimizer(const OptimOptions& options, const torch::Tensor& parameters)
    // Detached, it shares the memory but not the history: in-place updates of a leaf are legal.
    : options_(options), parameters_(parameters.detach()) {
  check(parameters.dim() == 1 && parameters.is_contiguous(),
        "an optimizer works on one flat, contiguous tensor");
  check(parameters.scalar_type() == torch::kFloat32 || parameters.scalar_type() == torch::kFloat64,
        "the optimizer's parameters are float32 or float64");
}

std::unique_ptr<FlatOptimizer> FlatOptimizer::make(const OptimOptions& options,
                                                   const torch::Tensor& parameters) {
  require(options.type == "sgd" || options.type == "adam" || options.type == "adamw",
          fmt::format("optim.type is '{}'", options.type), "use sgd, adam or adamw");
  check_options(options);
  const torch::NoGradGuard no_grad;
  if (options.type == "sgd") return std::make_unique<Sgd>(options, parameters);
  return std::make_unique<Adam>(options, parameters);
}

void FlatOptimizer::update(const torch::Tensor& gradients, double lr) {
  check(gradients.sizes() == parameters_.sizes() && gradients.scalar_type() == parameters_.scalar_type() &&
            gradients.is_contiguous() && gradients.device() == parameters_.device(),
        "gradients are laid out like the parameters");
  const torch::NoGradGuard no_grad;
  ++steps_done_;
  apply(gradients, lr);
}

}  // namespace lockstep
