// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "lockstep/base/error.h"
#include "loop/added.h"
#include "loop/data_parallel_impl.h"
#include "loop/kept_groups.h"
#include "loop/optimizer_slots.h"
#include "loop/saved_state.h"
#include "loop/stored_groups.h"
#include "loop/stored_state.h"

namespace lockstep {
namespace {

// A layer may have been replaced since everything was added.
const std::string& name_in(const ParameterNames& names, const torch::Tensor& parameter) {
  const auto found = names.find(parameter.unsafeGetTensorImpl());
  if (found == names.end())
    throw Fault(ExitCode::kConfig, "an optimizer has a parameter that is in no module any more",
                "Leave the layers of a module as they are, and its parameters the tensors they are");
  return found->second;
}

// Of a parameter that was updated: under its own name, or where all have the same, once.
void keep_steps(const StepCounts& steps, bool shared, std::vector<Kept>& all) {
  for (const auto& [name, step] : steps)
    all.push_back({{kStepSlot, name}, torch::tensor(static_cast<float>(step)), false, shared});
}

class AddedOptimizer : public Added {
 public:
  AddedOptimizer(Session::Impl& session, std::string name, torch::optim::Optimizer& optimizer)
      : Added(std::move(name)), session_(session), optimizer_(optimizer) {}

  std::string kind() const override { return "optimizer " + type_of(optimizer_); }

  std::vector<torch::Tensor> optimized() const override {
    std::vector<torch::Tensor> all;
    for (const auto& group : optimizer_.param_groups())
      for (const torch::Tensor& parameter : group.params()) all.push_back(parameter);
    return all;
  }

  std::vector<Kept> kept(const ParameterNames& names) const override {
    std::vector<Kept> all;
    StepCounts steps;
    for (const torch::Tensor& parameter : optimized()) {
      const void* const impl = parameter.unsafeGetTensorImpl();
      const bool steady = session_.parallel_parameters.contains(impl);
      const OptimizerSlots slots = slots_of(optimizer_, parameter);
      for (const auto& [slot, tensor] : slots.tensors)
        all.push_back({{slot, name_in(names, parameter)}, tensor.detach(), steady, steady});
      if (slots.step && !slots.tensors.empty()) steps.emplace_back(name_in(names, parameter), *slots.step);
    }
    keep_steps(steps, /*shared=*/false, all);
    keep_groups(name(), groups(names), all);
    return all;
  }

  void take(const StoredState& stored, const ParameterNames& names) override {
    require_as_many_groups(stored, name(), optimizer_.param_groups().size());
    for (const torch::Tensor& parameter : optimized()) {
      OptimizerSlots slots = stored_slots(stored, name_in(names, parameter));
      for (auto& [slot, tensor] : slots.tensors) tensor = tensor.to(parameter.device());
      set_slots(optimizer_, parameter, slots);
    }
    std::size_t index = 0;
    for (auto& group : optimizer_.param_groups()) {
      const TensorKey key = lr_of_group_key(name(), index++);
      group.options().set_lr(found(stored, key, "learning rate of " + name()).item<double>());
    }
  }

  std::vector<std::string> differences(const StoredState& stored,
                                       const ParameterNames& names) const override {
    return group_differences(stored, name(), groups(names));
  }

  std::map<std::string, std::string> optimizer_config() const override {
    return {{"optim.type", type_of(optimizer_)}};
  }

  std::vector<ParamGroup> param_groups(const ParameterNames& names) const override {
    return can_be_exported(optimizer_) ? groups(names) : std::vector<ParamGroup>{};
  }

 private:
  std::vector<ParamGroup> groups(const ParameterNames& names) const {
    std::vector<ParamGroup> all;
    for (const auto& group : optimizer_.param_groups()) {
      all.push_back({options_of(group.options()), {}});
      for (const torch::Tensor& parameter : group.params())
        all.back().parameters.push_back(name_in(names, parameter));
    }
    return all;
  }

  Session::Impl& session_;
  torch::optim::Optimizer& optimizer_;
};

class AddedParallel : public Added {
 public:
  AddedParallel(std::string name, DataParallel& parallel) : Added(std::move(name)), impl_(parallel.impl()) {
    if (!impl_.built_in)
      throw Fault(ExitCode::kConfig,
                  this->name() + " was added as the optimizer of a DataParallel that has none",
                  "Call optimize_with() first, or add your own optimizer");
  }

  std::string kind() const override { return "optimizer inside, " + impl_.built_in->type; }

  std::vector<torch::Tensor> optimized() const override {
    std::vector<torch::Tensor> all;
    for (const auto& lane : impl_.lanes)
      for (const torch::Tensor& tensor : lane.arena->trainable_tensors()) all.push_back(tensor);
    return all;
  }

  std::vector<Kept> kept(const ParameterNames& names) const override {
    std::vector<Kept> all;
    StepCounts steps;
    for (const auto& lane : impl_.lanes) {
      if (!lane.optimizer) continue;
      const auto& entries = lane.arena->trainable();
      for (std::size_t i = 0; i < entries.size(); ++i) {
        const std::string& name = name_in(names, lane.arena->trainable_tensors()[i]);
        for (const OptimizerSlot& slot : lane.optimizer->slots())
          all.push_back({{slot.name, name}, ModelArena::view(slot.flat, entries[i]), true, true});
        steps.emplace_back(name, lane.optimizer->steps()[i]);
      }
    }
    keep_steps(steps, /*shared=*/true, all);
    all.push_back({loop_key(name() + ".lr"), torch::tensor(impl_.lr, torch::kFloat64), false, false});
    keep_groups(name(), groups_in_use(names), all);
    return all;
  }

  void take(const StoredState& stored, const ParameterNames& names) override {
    const torch::NoGradGuard no_grad;
    for (const auto& lane : impl_.lanes) {
      if (!lane.optimizer) continue;
      const auto& entries = lane.arena->trainable();
      std::vector<double> steps;
      for (std::size_t i = 0; i < entries.size(); ++i) {
        const std::string& name = name_in(names, lane.arena->trainable_tensors()[i]);
        for (const OptimizerSlot& slot : lane.optimizer->slots())
          ModelArena::view(slot.flat, entries[i])
              .copy_(found(stored, {slot.name, name}, "optimizer state " + slot.name + " of " + name));
        steps.push_back(stored_step(stored, name).value_or(0));
      }
      lane.optimizer->set_steps(std::move(steps));
    }
    impl_.lr = found(stored, loop_key(name() + ".lr"), "learning rate of " + name()).item<double>();
  }

  std::vector<std::string> differences(const StoredState& stored,
                                       const ParameterNames& names) const override {
    return group_differences(stored, name(), groups_in_use(names));
  }

  std::map<std::string, std::string> optimizer_config() const override {
    const OptimOptions& options = *impl_.built_in;
    return {{"optim.type", options.type},
            {"optim.betas", fmt::format("[{}, {}]", options.betas[0], options.betas[1])},
            {"optim.eps", fmt::format("{}", options.eps)},
            {"optim.weight_decay", fmt::format("{}", options.weight_decay)},
            {"optim.momentum", fmt::format("{}", options.momentum)},
            {"optim.nesterov", options.nesterov ? "true" : "false"}};
  }

  std::vector<ParamGroup> param_groups(const ParameterNames& names) const override {
    std::map<int, std::vector<std::string>> by_group;
    std::set<const void*> seen;
    for (const auto& item : impl_.module.named_parameters()) {
      const void* const impl = item.value().unsafeGetTensorImpl();
      if (seen.insert(impl).second) by_group[impl_.group_of.at(item.key())].push_back(names.at(impl));
    }
    return groups_to_keep(*impl_.built_in, by_group, impl_.lr);
  }

 private:
  // What an update is made with: learning rates as they are now.
  std::vector<ParamGroup> groups_in_use(const ParameterNames& names) const {
    std::vector<ParamGroup> groups = param_groups(names);
    for (ParamGroup& group : groups) {
      group.options.erase("initial_lr");
      group.options["clip"] = {impl_.clip};
    }
    return groups;
  }

  DataParallel::Impl& impl_;
};

}  // namespace

std::unique_ptr<Added> add_optimizer(Session::Impl& session, const std::string& name,
                                     torch::optim::Optimizer& optimizer) {
  return std::make_unique<AddedOptimizer>(session, name, optimizer);
}

std::unique_ptr<Added> add_parallel(const std::string& name, DataParallel& parallel) {
  return std::make_unique<AddedParallel>(name, parallel);
}

}  // namespace lockstep
