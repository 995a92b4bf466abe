// SPDX-License-Identifier: Apache-2.0
#include "lockstep/models/recompute.h"

#include <ATen/autocast_mode.h>

#include <utility>

#include "lockstep/tensors/each_once.h"
#include "tensors/generator_states.h"

namespace lockstep {
namespace {

using torch::Tensor;
using torch::autograd::variable_list;

// What besides its arguments a computation depends on.
class Circumstances {
 public:
  explicit Circumstances(torch::Device device)
      : device_(device.type()),
        autocast_(at::autocast::is_autocast_enabled(device_)),
        dtype_(at::autocast::get_autocast_dtype(device_)),
        caches_(at::autocast::is_autocast_cache_enabled()),
        generators_(device) {}

  void restore() const {
    generators_.restore();
    at::autocast::set_autocast_enabled(device_, autocast_);
    at::autocast::set_autocast_dtype(device_, dtype_);
    at::autocast::set_autocast_cache_enabled(caches_);
  }

 private:
  torch::DeviceType device_;
  bool autocast_;
  torch::ScalarType dtype_;
  bool caches_;
  GeneratorStates generators_;
};

// What was, again at the end of a scope.
class KeptCircumstances {
 public:
  explicit KeptCircumstances(torch::Device device) : were_(device) {}
  ~KeptCircumstances() { were_.restore(); }
  KeptCircumstances(const KeptCircumstances&) = delete;
  KeptCircumstances& operator=(const KeptCircumstances&) = delete;

 private:
  Circumstances were_;
};

// A cast without a graph must not be found by who needs one, nor one of this graph by the next.
class NoCastCache {
 public:
  NoCastCache() { at::autocast::set_autocast_cache_enabled(false); }
  ~NoCastCache() { at::autocast::set_autocast_cache_enabled(was_on_); }
  NoCastCache(const NoCastCache&) = delete;
  NoCastCache& operator=(const NoCastCache&) = delete;

 private:
  bool was_on_ = at::autocast::is_autocast_cache_enabled();
};

struct Part : torch::CustomClassHolder {
  Part(ModelPart of, torch::Device device) : function(std::move(of)), circumstances(device) {}

  Tensor compute(const Tensor& input) const {
    const NoCastCache no_cache;
    return function(input);
  }
  // As it was the first time; what surrounds it stays as it is.
  Tensor compute_again(const Tensor& input) const {
    const torch::AutoGradMode with_graph(true);
    const KeptCircumstances now(input.device());
    circumstances.restore();
    return compute(input);
  }

  ModelPart function;
  Circumstances circumstances;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  static Tensor forward(torch::autograd::AutogradContext* context, const c10::intrusive_ptr<Part>& part,
                        const Tensor& input, at::TensorList parameters) {
    variable_list kept = parameters.vec();
    kept.insert(kept.begin(), input);
    context->save_for_backward(std::move(kept));
    context->saved_data["part"] = c10::IValue::make_capsule(part);
    return part->compute(input);
  }

  // One for the part, which is no variable, and one for each variable.
  static variable_list backward(torch::autograd::AutogradContext* context, const variable_list& gradients) {
    variable_list wanted = context->get_saved_variables();
    wanted.front() = wanted.front().detach().requires_grad_(wanted.front().requires_grad());
    const auto capsule = context->saved_data["part"].toCapsule();
    const Tensor output = static_cast<const Part&>(*capsule).compute_again(wanted.front());
    const bool fixed_input = !wanted.front().requires_grad();
    if (fixed_input) wanted.erase(wanted.begin());
    variable_list found = torch::autograd::grad({output}, wanted, {gradients.front()}, std::nullopt,
                                                /*create_graph=*/false, /*allow_unused=*/true);
    found.insert(found.begin(), fixed_input ? 2 : 1, Tensor());
    return found;
  }
};

}  // namespace

Tensor recomputed(ModelPart part, const Tensor& input, const std::vector<Tensor>& parameters) {
  // A variable that is listed twice would have its gradient twice.
  variable_list trained = each_once(parameters);
  std::erase_if(trained, [](const Tensor& parameter) { return !parameter.requires_grad(); });
  const bool wants_gradient = input.requires_grad() || !trained.empty();
  if (!torch::GradMode::is_enabled() || !wants_gradient) return part(input);
  return Recomputed::apply(c10::make_intrusive<Part>(std::move(part), input.device()), input,
                           at::TensorList(trained));
}

}  // namespace lockstep
