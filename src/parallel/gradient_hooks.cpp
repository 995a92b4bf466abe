// SPDX-License-Identifier: Apache-2.0
#include "parallel/gradient_hooks.h"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>

#include "lockstep/base/error.h"

namespace lockstep {

struct GradientHooks::Target {
  std::vector<ArenaEntry> entries;
  std::vector<torch::Tensor> leaves;
  std::vector<torch::Tensor> views;
  std::vector<char> fired;
  bool accumulate = false;

  void take(std::size_t index) {
    torch::NoGradGuard no_grad;
    torch::Tensor& gradient = leaves[index].mutable_grad();
    if (accumulate)
      views[index].add_(gradient);
    else
      views[index].copy_(gradient);
    gradient.reset();
    fired[index] = 1;
  }
};

namespace {
// What autograd calls; the target outlives it through the shared pointer.
template <class Target>
struct Hook : torch::autograd::PostAccumulateGradHook {
  Hook(std::shared_ptr<Target> owner, std::size_t place) : target(std::move(owner)), index(place) {}
  void operator()(const torch::autograd::Variable&) override { target->take(index); }

  std::shared_ptr<Target> target;
  std::size_t index;
};
}  // namespace

GradientHooks::GradientHooks(const ModelArena& arena) : target_(std::make_shared<Target>()) {
  target_->entries = arena.parameters();
  target_->leaves = arena.leaves();
  target_->fired.assign(arena.leaves().size(), 0);
  for (std::size_t i = 0; i < target_->leaves.size(); ++i)
    torch::autograd::impl::set_post_acc_grad_hooks(target_->leaves[i],
                                                   std::make_unique<Hook<Target>>(target_, i));
}

GradientHooks::~GradientHooks() {
  for (const torch::Tensor& leaf : target_->leaves)
    torch::autograd::impl::set_post_acc_grad_hooks(leaf, nullptr);
}

void GradientHooks::aim(const torch::Tensor& contribution, bool accumulate) {
  target_->views.clear();
  for (const ArenaEntry& entry : target_->entries)
    target_->views.push_back(ModelArena::view(contribution, entry));
  std::fill(target_->fired.begin(), target_->fired.end(), 0);
  target_->accumulate = accumulate;
}

void GradientHooks::settle() {
  const auto& fired = target_->fired;
  check(std::any_of(fired.begin(), fired.end(), [](char f) { return f != 0; }),
        "a backward pass reaches at least one parameter");
  if (target_->accumulate) return;
  torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < fired.size(); ++i)
    if (!fired[i]) target_->views[i].zero_();
}

}  // namespace lockstep
