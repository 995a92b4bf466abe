// SPDX-License-Identifier: Apache-2.0
#include "loop/added.h"

#include <fmt/format.h>

#include <cstring>

#include "lockstep/base/error.h"
#include "loop/data_parallel_impl.h"
#include "loop/kept_groups.h"
#include "loop/optimizer_slots.h"
#include "loop/saved_state.h"

namespace lockstep {
namespace {

[[noreturn]] void missing(const std::string& what) {
  throw Fault(ExitCode::kConfig, "the checkpoint has no " + what,
              "Add what was added when it was written, or start a run in another directory");
}

const torch::Tensor& found(const StoredState& stored, const TensorKey& key, const std::string& what) {
  const auto tensor = stored.find(key.path());
  if (tensor == stored.end()) missing(what);
  return tensor->second;
}

// A layer may have been replaced since everything was added.
const std::string& name_in(const ParameterNames& names, const torch::Tensor& parameter) {
  const auto found = names.find(parameter.unsafeGetTensorImpl());
  if (found == names.end())
    throw Fault(ExitCode::kConfig, "an optimizer has a parameter that is in no module any more",
                "Leave the layers of a module as they are, and its parameters the tensors they are");
  return found->second;
}

TensorKey own_key(const std::string& name) {
  return {"", name, kLoopSection};
}

torch::Tensor number(double value) {
  return torch::tensor(value, torch::kFloat64);
}

class AddedModule : public Added {
 public:
  AddedModule(Session::Impl& session, std::string name, torch::nn::Module& module)
      : Added(std::move(name)), session_(session), module_(module), alive_(module.weak_from_this().lock()) {}

  std::string kind() const override { return "module"; }
  torch::nn::Module* module() const override { return &module_; }

  std::vector<Kept> kept(const ParameterNames&) const override {
    std::vector<Kept> all;
    for (const auto& item : tensors()) {
      const void* const impl = item.second.unsafeGetTensorImpl();
      const bool parallel = session_.parallel_parameters.contains(impl);
      const bool buffer = session_.parallel_buffers.contains(impl);
      all.push_back({{"", item.first}, item.second.detach(), parallel, parallel || buffer});
    }
    return all;
  }

  torch::Tensor place(const TensorKey& key) const override {
    if (!key.in_model()) return {};
    for (const auto& item : tensors())
      if (item.first == key.name) return item.second.detach();
    return {};
  }

  void take(const StoredState& stored, const ParameterNames&) override {
    const torch::NoGradGuard no_grad;
    for (const auto& [name, tensor] : tensors()) {
      const torch::Tensor& from = found(stored, {"", name}, name);
      if (from.data_ptr() != tensor.data_ptr()) tensor.detach().copy_(from);
    }
  }

 private:
  // Each once, under its first name.
  std::vector<std::pair<std::string, torch::Tensor>> tensors() const {
    std::vector<std::pair<std::string, torch::Tensor>> all;
    std::set<const void*> seen;
    const auto add = [&](const auto& named) {
      for (const auto& item : named)
        if (item.value().defined() && seen.insert(item.value().unsafeGetTensorImpl()).second)
          all.emplace_back(name_in_checkpoint(name(), item.key()), item.value());
    };
    add(module_.named_parameters());
    add(module_.named_buffers());
    return all;
  }

  Session::Impl& session_;
  torch::nn::Module& module_;
  std::shared_ptr<torch::nn::Module> alive_;  // where somebody shares it: a holder may be given another
};

// Of a parameter that was updated: under its own name, or where all have the same, once.
void keep_steps(const StepCounts& steps, bool shared, std::vector<Kept>& all) {
  for (const auto& [name, step] : steps)
    all.push_back({{kStepSlot, name}, torch::tensor(static_cast<float>(step)), false, shared});
}

std::optional<double> stored_step(const StoredState& stored, const std::string& name) {
  const auto step = stored.find(TensorKey{kStepSlot, name}.path());
  if (step == stored.end()) return std::nullopt;
  return step->second.item<double>();
}

// What a checkpoint has of one parameter.
OptimizerSlots stored_slots(const StoredState& stored, const std::string& name) {
  OptimizerSlots slots;
  slots.step = stored_step(stored, name);
  for (const auto& [path, tensor] : stored) {
    constexpr std::string_view kGroup = "optimizer/";
    if (!path.starts_with(kGroup) || !path.ends_with("/" + name)) continue;
    const std::size_t end = path.find('/', kGroup.size());
    const std::string slot = path.substr(kGroup.size(), end - kGroup.size());
    if (slot != kStepSlot && path.substr(end + 1) == name) slots.tensors[slot] = tensor;
  }
  return slots;
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
    std::size_t index = 0;
    for (const auto& group : optimizer_.param_groups())
      all.push_back({lr_key(index++), number(group.options().get_lr()), false, false});
    return all;
  }

  void take(const StoredState& stored, const ParameterNames& names) override {
    for (const torch::Tensor& parameter : optimized()) {
      OptimizerSlots slots = stored_slots(stored, name_in(names, parameter));
      for (auto& [slot, tensor] : slots.tensors) tensor = tensor.to(parameter.device());
      set_slots(optimizer_, parameter, slots);
    }
    std::size_t index = 0;
    for (auto& group : optimizer_.param_groups()) {
      const TensorKey key = lr_key(index++);
      group.options().set_lr(found(stored, key, "learning rate of " + name()).item<double>());
    }
  }

  std::map<std::string, std::string> optimizer_config() const override {
    return {{"optim.type", type_of(optimizer_)}};
  }

  std::vector<ParamGroup> param_groups(const ParameterNames& names) const override {
    std::vector<ParamGroup> all;
    for (const auto& group : optimizer_.param_groups()) {
      ParamGroup kept{options_to_keep(group.options()), {}};
      if (kept.options.empty()) return {};
      for (const torch::Tensor& parameter : group.params())
        kept.parameters.push_back(names.at(parameter.unsafeGetTensorImpl()));
      all.push_back(std::move(kept));
    }
    return all;
  }

 private:
  TensorKey lr_key(std::size_t group) const {
    return own_key(fmt::format("{}.param_groups.{}.lr", name(), group));
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
    all.push_back({own_key(name() + ".lr"), number(impl_.lr), false, false});
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
    impl_.lr = found(stored, own_key(name() + ".lr"), "learning rate of " + name()).item<double>();
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
  DataParallel::Impl& impl_;
};

// One tensor, or what is kept as one.
class AddedValue : public Added {
 public:
  struct Access {
    std::string kind;
    std::function<torch::Tensor()> get;
    std::function<void(const torch::Tensor&)> set;
  };
  AddedValue(std::string name, Access access) : Added(std::move(name)), access_(std::move(access)) {}

  std::string kind() const override { return access_.kind; }
  std::vector<Kept> kept(const ParameterNames&) const override {
    return {{own_key(name()), access_.get().detach(), false, false}};
  }
  void take(const StoredState& stored, const ParameterNames&) override {
    access_.set(found(stored, own_key(name()), name()));
  }

 private:
  Access access_;
};

}  // namespace

std::string name_in_checkpoint(const std::string& module_name, const std::string& name) {
  return module_name == "model" ? name : module_name + "." + name;
}

std::unique_ptr<Added> add_module(Session::Impl& session, const std::string& name,
                                  torch::nn::Module& module) {
  return std::make_unique<AddedModule>(session, name, module);
}

std::unique_ptr<Added> add_optimizer(Session::Impl& session, const std::string& name,
                                     torch::optim::Optimizer& optimizer) {
  return std::make_unique<AddedOptimizer>(session, name, optimizer);
}

std::unique_ptr<Added> add_scheduler(const std::string& name, torch::optim::LRScheduler& scheduler) {
  return std::make_unique<AddedValue>(
      name, AddedValue::Access{
                "schedule", [&] { return torch::tensor(static_cast<std::int64_t>(step_count(scheduler))); },
                [&](const torch::Tensor& count) {
                  set_step_count(scheduler, static_cast<unsigned>(count.item<std::int64_t>()));
                }});
}

std::unique_ptr<Added> add_parallel(const std::string& name, DataParallel& parallel) {
  return std::make_unique<AddedParallel>(name, parallel);
}

std::unique_ptr<Added> add_tensor(const std::string& name, torch::Tensor& tensor) {
  return std::make_unique<AddedValue>(
      name, AddedValue::Access{"tensor", [&] { return tensor; },
                               [&](const torch::Tensor& stored) {
                                 const torch::NoGradGuard no_grad;
                                 const bool alike = tensor.defined() && tensor.sizes() == stored.sizes() &&
                                                    tensor.scalar_type() == stored.scalar_type();
                                 if (alike)
                                   tensor.copy_(stored);
                                 else
                                   tensor = stored.clone();
                               }});
}

std::unique_ptr<Added> add_text(const std::string& name, std::string& text) {
  return std::make_unique<AddedValue>(
      name, AddedValue::Access{"text",
                               [&] {
                                 const torch::Tensor bytes =
                                     torch::empty({static_cast<std::int64_t>(text.size())}, torch::kUInt8);
                                 if (!text.empty()) std::memcpy(bytes.data_ptr(), text.data(), text.size());
                                 return bytes;
                               },
                               [&](const torch::Tensor& stored) {
                                 const auto* const begin = static_cast<const char*>(stored.data_ptr());
                                 text.assign(begin, begin + stored.numel());
                               }});
}

std::unique_ptr<Added> add_number(const std::string& name, std::function<torch::Tensor()> get,
                                  std::function<void(const torch::Tensor&)> set) {
  return std::make_unique<AddedValue>(name, AddedValue::Access{"number", std::move(get), std::move(set)});
}

}  // namespace lockstep
