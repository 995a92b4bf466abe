// SPDX-License-Identifier: Apache-2.0
#include "optim/own_optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <numeric>

#include "base/foreign_exception.h"
#include "lockstep/base/error.h"
#include "lockstep/optim/optimizer.h"

namespace lockstep {
namespace {

bool is_word(const std::string& name) {
  return !name.empty() && name != "step" &&
         std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

// `step` is counted for it, under that name.
class FlatOwn : public FlatOptimizer {
 public:
  FlatOwn(const OptimOptions& options, const torch::Tensor& parameters, ParameterLayout layout)
      : FlatOptimizer(options, parameters, std::move(layout)), own_(options.own) {
    check(static_cast<bool>(own_->update), "an optimizer has an update");
    check(this->layout().shapes.size() == steps().size(), "an optimizer of one's own is told shapes");
    for (const std::string& name : own_->state) {
      check(is_word(name),
            "an optimizer's state is named by plain words, and by none of them 'step': " + name);
      slots_.push_back({name, new_slot()});
    }
  }

  std::vector<OptimizerSlot> slots() const override { return slots_; }
  bool is_elementwise() const override { return false; }

 protected:
  double run_key(double /*steps*/) const override { return 0; }

  void apply(const Run& run, const torch::Tensor& gradients) override {
    const std::vector<std::int64_t>& shape = layout().shapes[run.parameter];
    const std::int64_t count =
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    const auto view = [&](const torch::Tensor& flat) { return flat.narrow(0, run.first, count).view(shape); };
    ParameterUpdate update{
        view(parameters_),        view(gradients),   {}, static_cast<std::int64_t>(run.steps), run.lr,
        run.options.weight_decay, run.options.params};
    for (const OptimizerSlot& slot : slots_) update.state[slot.name] = view(slot.flat);
    const ParameterUpdate given = update;
    with_foreign_faults([&] { own_->update(update); },
                        [&](const ForeignException& thrown) { return fault(run, thrown.text); });
    if (!update.parameter.is_same(given.parameter))
      throw fault(run, "it puts another tensor in a parameter's place");
    for (const auto& [name, tensor] : given.state)
      if (!update.state[name].is_same(tensor))
        throw fault(run, "it puts another tensor in the place of " + name);
  }

 private:
  static Fault fault(const Run& run, const std::string& what) {
    return {ExitCode::kBug, fmt::format("optimizer '{}', update {}: {}", run.options.type, run.steps, what),
            "It changes its tensors in place, as update.parameter.sub_(…)"};
  }

  std::shared_ptr<const Optimizer> own_;
  std::vector<OptimizerSlot> slots_;
};

}  // namespace

std::unique_ptr<FlatOptimizer> make_own_optimizer(const OptimOptions& options,
                                                  const torch::Tensor& parameters, ParameterLayout layout) {
  return std::make_unique<FlatOwn>(options, parameters, std::move(layout));
}

}  // namespace lockstep
