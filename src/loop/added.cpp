// SPDX-License-Identifier: Apache-2.0
#include "loop/added.h"

#include <ATen/MemoryOverlap.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "lockstep/base/error.h"
#include "loop/optimizer_slots.h"
#include "loop/stored_state.h"
#include "tensors/tensor_span.h"

namespace lockstep {
namespace {

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

void require_kind(bool is_it, const std::string& name, const torch::Tensor& stored, const char* kind) {
  if (!is_it)
    throw Fault(ExitCode::kConfig,
                fmt::format("'{}' is a tensor {} [{}] in the checkpoint and {} in the program", name,
                            c10::toString(stored.scalar_type()), fmt::join(stored.sizes(), ", "), kind),
                "Add it as what it was, or as something new under another name");
}

void require_storable(const std::string& name, const torch::Tensor& tensor) {
  const auto refuse = [&](const std::string& what, const std::string& remedy) {
    throw Fault(ExitCode::kConfig, fmt::format("tensor '{}' {}, which no checkpoint holds", name, what),
                remedy);
  };
  if (!tensor.defined()) refuse("is undefined", "Give it a value before add(): torch::zeros({0}) for none");
  if (tensor.layout() != torch::kStrided || !tensor.has_storage())
    refuse("is not dense", "Add what it is made of, or to_dense() of it");
  if (!has_dtype(tensor.scalar_type()))
    refuse(fmt::format("is {}", c10::toString(tensor.scalar_type())),
           tensor.is_complex() ? "Add torch::view_as_real() of it" : "Add it converted: to(torch::kInt64)");
}

// What an expanded tensor holds once cannot be written element by element.
bool can_be_written(const torch::Tensor& tensor) {
  return at::has_internal_overlap(tensor) != at::MemOverlap::Yes && !tensor.is_inference();
}

bool same_number(const torch::Tensor& one, const torch::Tensor& other) {
  return torch::equal(one, other) || (one.isnan() & other.isnan()).item<bool>();
}

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
    return {{loop_key(name()), access_.get().detach(), false, false}};
  }
  void take(const StoredState& stored, const ParameterNames&) override {
    access_.set(found(stored, loop_key(name()), name()));
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

std::unique_ptr<Added> add_scheduler(const std::string& name, torch::optim::LRScheduler& scheduler) {
  const auto get = [&] { return torch::tensor(static_cast<std::int64_t>(step_count(scheduler))); };
  const auto set = [&scheduler, name](const torch::Tensor& count) {
    require_kind(count.dim() == 0 && count.scalar_type() == torch::kInt64, name, count, "a schedule");
    set_step_count(scheduler, static_cast<unsigned>(count.item<std::int64_t>()));
  };
  return std::make_unique<AddedValue>(name, AddedValue::Access{"schedule", get, set});
}

std::unique_ptr<Added> add_tensor(const std::string& name, torch::Tensor& tensor) {
  require_storable(name, tensor);
  const auto get = [&tensor, name] {
    require_storable(name, tensor);  // the loop may have put another in its place
    return tensor.resolve_neg();
  };
  const auto set = [&tensor](const torch::Tensor& stored) {
    const torch::NoGradGuard no_grad;
    if (tensor.sizes() == stored.sizes() && tensor.scalar_type() == stored.scalar_type() &&
        can_be_written(tensor)) {
      tensor.copy_(stored);
      return;
    }
    const bool trained = tensor.requires_grad() && stored.is_floating_point();
    tensor = stored.to(tensor.device(), /*non_blocking=*/false, /*copy=*/true).requires_grad_(trained);
  };
  return std::make_unique<AddedValue>(name, AddedValue::Access{"tensor", get, set});
}

std::unique_ptr<Added> add_text(const std::string& name, std::string& text) {
  const auto set = [&text, name](const torch::Tensor& stored) {
    require_kind(stored.dim() == 1 && stored.scalar_type() == torch::kUInt8, name, stored, "a text");
    text = text_in(stored);
  };
  return std::make_unique<AddedValue>(name,
                                      AddedValue::Access{"text", [&] { return text_tensor(text); }, set});
}

std::unique_ptr<Added> add_number(const std::string& name, const std::function<torch::Tensor()>& get,
                                  const std::function<void(const torch::Tensor&)>& set) {
  const char* const kind = get().is_floating_point() ? "a floating-point number" : "an integer";
  const auto set_exactly = [=](const torch::Tensor& stored) {
    require_kind(stored.dim() == 0 && stored.scalar_type() == get().scalar_type(), name, stored, kind);
    set(stored);
    if (!same_number(get(), stored))
      throw Fault(
          ExitCode::kConfig,
          fmt::format("'{}' has a value in the checkpoint that the program's number cannot hold", name),
          "Add a number of the type it was, or a wider one");
  };
  return std::make_unique<AddedValue>(name, AddedValue::Access{kind, get, set_exactly});
}

}  // namespace lockstep
