// SPDX-License-Identifier: Apache-2.0
#include "loop/optimizer_slots.h"

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

namespace optim = torch::optim;

// One kind of torch.optim: its state's tensors by name, and whether it counts steps.
struct Kind {
  std::string type;
  std::function<bool(const optim::Optimizer&)> is;
  std::function<OptimizerSlots(const optim::OptimizerParamState&)> read;
  std::function<std::unique_ptr<optim::OptimizerParamState>(const OptimizerSlots&)> make;
};

torch::Tensor slot(const OptimizerSlots& slots, const std::string& name) {
  const auto found = slots.tensors.find(name);
  return found == slots.tensors.end() ? torch::Tensor() : found->second;
}

// One that the optimizer cannot be without.
torch::Tensor needed(const OptimizerSlots& slots, const std::string& name) {
  const torch::Tensor tensor = slot(slots, name);
  if (!tensor.defined())
    throw Fault(ExitCode::kConfig, "the checkpoint's optimizer state has no " + name,
                "Use the optimizer the run was trained with");
  return tensor;
}

void put(OptimizerSlots& slots, const std::string& name, const torch::Tensor& tensor) {
  if (tensor.defined()) slots.tensors[name] = tensor;
}

template <class Optimizer>
bool is_a(const optim::Optimizer& optimizer) {
  return dynamic_cast<const Optimizer*>(&optimizer) != nullptr;
}

template <class Optimizer, class State>
Kind adam_like(std::string type) {
  return {std::move(type), is_a<Optimizer>,
          [](const optim::OptimizerParamState& any) {
            const auto& state = static_cast<const State&>(any);
            OptimizerSlots slots;
            put(slots, "exp_avg", state.exp_avg());
            put(slots, "exp_avg_sq", state.exp_avg_sq());
            put(slots, "max_exp_avg_sq", state.max_exp_avg_sq());
            slots.step = static_cast<double>(state.step());
            return slots;
          },
          [](const OptimizerSlots& slots) {
            auto state = std::make_unique<State>();
            state->step(static_cast<std::int64_t>(slots.step.value_or(0)));
            state->exp_avg(needed(slots, "exp_avg"));
            state->exp_avg_sq(needed(slots, "exp_avg_sq"));
            state->max_exp_avg_sq(slot(slots, "max_exp_avg_sq"));
            return state;
          }};
}

Kind sgd() {
  return {"sgd", is_a<optim::SGD>,
          [](const optim::OptimizerParamState& any) {
            OptimizerSlots slots;
            put(slots, "momentum_buffer", static_cast<const optim::SGDParamState&>(any).momentum_buffer());
            return slots;
          },
          [](const OptimizerSlots& slots) {
            auto state = std::make_unique<optim::SGDParamState>();
            state->momentum_buffer(slot(slots, "momentum_buffer"));
            return state;
          }};
}

Kind rmsprop() {
  return {"rmsprop", is_a<optim::RMSprop>,
          [](const optim::OptimizerParamState& any) {
            const auto& state = static_cast<const optim::RMSpropParamState&>(any);
            OptimizerSlots slots;
            put(slots, "square_avg", state.square_avg());
            put(slots, "momentum_buffer", state.momentum_buffer());
            put(slots, "grad_avg", state.grad_avg());
            slots.step = static_cast<double>(state.step());
            return slots;
          },
          [](const OptimizerSlots& slots) {
            auto state = std::make_unique<optim::RMSpropParamState>();
            state->step(static_cast<std::int64_t>(slots.step.value_or(0)));
            state->square_avg(needed(slots, "square_avg"));
            state->momentum_buffer(slot(slots, "momentum_buffer"));
            state->grad_avg(slot(slots, "grad_avg"));
            return state;
          }};
}

Kind adagrad() {
  return {"adagrad", is_a<optim::Adagrad>,
          [](const optim::OptimizerParamState& any) {
            const auto& state = static_cast<const optim::AdagradParamState&>(any);
            OptimizerSlots slots;
            put(slots, "sum", state.sum());
            slots.step = static_cast<double>(state.step());
            return slots;
          },
          [](const OptimizerSlots& slots) {
            auto state = std::make_unique<optim::AdagradParamState>();
            state->step(static_cast<std::int64_t>(slots.step.value_or(0)));
            state->sum(needed(slots, "sum"));
            return state;
          }};
}

const Kind& kind_of(const optim::Optimizer& optimizer) {
  static const std::vector<Kind> kKinds = {adam_like<optim::AdamW, optim::AdamWParamState>("adamw"),
                                           adam_like<optim::Adam, optim::AdamParamState>("adam"), sgd(),
                                           rmsprop(), adagrad()};
  for (const Kind& kind : kKinds)
    if (kind.is(optimizer)) return kind;
  throw Fault(ExitCode::kConfig, "an optimizer is of a kind whose state cannot be named",
              "Lockstep knows AdamW, Adam, SGD, RMSprop and Adagrad; add what another one keeps as tensors");
}

// Gives way to a member of the base that only those derived from it may name.
struct Opened : optim::LRScheduler {
  static constexpr auto kCount = &Opened::step_count_;
};

}  // namespace

OptimizerSlots slots_of(optim::Optimizer& optimizer, const torch::Tensor& parameter) {
  const Kind& kind = kind_of(optimizer);
  const auto found = optimizer.state().find(parameter.unsafeGetTensorImpl());
  return found == optimizer.state().end() ? OptimizerSlots() : kind.read(*found->second);
}

void set_slots(optim::Optimizer& optimizer, const torch::Tensor& parameter, const OptimizerSlots& slots) {
  const Kind& kind = kind_of(optimizer);
  void* const key = parameter.unsafeGetTensorImpl();
  optimizer.state().erase(key);
  if (slots.tensors.empty()) return;
  auto state = kind.make(slots);
  for (const auto& [name, tensor] : slots.tensors)
    if (!kind.read(*state).tensors.contains(name))
      throw Fault(ExitCode::kConfig,
                  fmt::format("the checkpoint has optimizer state {}, which {} has not", name, kind.type),
                  "Use the optimizer the run was trained with");
  optimizer.state()[key] = std::move(state);
}

std::string type_of(const optim::Optimizer& optimizer) {
  return kind_of(optimizer).type;
}

unsigned step_count(const optim::LRScheduler& scheduler) {
  return scheduler.*Opened::kCount;
}

void set_step_count(optim::LRScheduler& scheduler, unsigned count) {
  scheduler.*Opened::kCount = count;
}

}  // namespace lockstep
