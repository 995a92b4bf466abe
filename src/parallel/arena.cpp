// SPDX-License-Identifier: Apache-2.0
#include "parallel/arena.h"

#include <fmt/format.h>

#include <set>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr std::int64_t kAlignBytes = 64;

void require_dtype(const std::string& name, const torch::Tensor& tensor, torch::ScalarType wanted) {
  if (tensor.scalar_type() == wanted) return;
  throw Fault(ExitCode::kConfig,
              fmt::format("{} is {}, the other parameters are {}", name, c10::toString(tensor.scalar_type()),
                          c10::toString(wanted)),
              "Give all floating-point parameters and buffers of the model one dtype");
}

}  // namespace

ModelArena::ModelArena(torch::nn::Module& model) {
  const auto named = model.named_parameters();
  check(!named.is_empty(), "a model has at least one parameter");
  options_ = named[0].value().options().requires_grad(false);
  const torch::ScalarType type = named[0].value().scalar_type();
  std::set<const void*> seen;
  for (const auto& item : named) {
    require_dtype(item.key(), item.value(), type);
    if (!seen.insert(item.value().unsafeGetTensorImpl()).second) continue;
    lay_out(parameters_, item.key(), item.value());
    leaves_.push_back(item.value());
  }
  parameter_elements_ = end_;
  for (const auto& item : model.named_buffers()) {
    if (!item.value().is_floating_point()) {
      integers_.emplace_back(item.key(), item.value());
      continue;
    }
    require_dtype(item.key(), item.value(), type);
    lay_out(buffers_, item.key(), item.value());
    buffer_tensors_.push_back(item.value());
  }
  adopt();
}

void ModelArena::lay_out(std::vector<ArenaEntry>& entries, const std::string& name,
                         const torch::Tensor& tensor) {
  entries.push_back({name, tensor.sizes().vec(), end_, tensor.numel()});
  const std::int64_t step = kAlignBytes / static_cast<std::int64_t>(tensor.element_size());
  end_ += (tensor.numel() + step - 1) / step * step;
}

void ModelArena::adopt() {
  torch::NoGradGuard no_grad;
  values_ = torch::zeros({end_}, options_);
  const auto move_in = [&](const std::vector<ArenaEntry>& entries, std::vector<torch::Tensor>& tensors) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const torch::Tensor place = view(values_, entries[i]);
      place.copy_(tensors[i]);
      tensors[i].set_data(place);
    }
  };
  move_in(parameters_, leaves_);
  move_in(buffers_, buffer_tensors_);
}

torch::Tensor ModelArena::buffer_values() const {
  return values_.narrow(0, parameter_elements_, value_count() - parameter_elements_);
}

torch::Tensor ModelArena::new_contribution() const {
  return torch::zeros({contribution_count()}, options_);
}

torch::Tensor ModelArena::view(const torch::Tensor& flat, const ArenaEntry& entry) {
  return flat.narrow(0, entry.offset, entry.count).view(entry.shape);
}

MutableSpan span_of(const torch::Tensor& tensor) {
  check(tensor.is_contiguous(), "a span is contiguous");
  return {tensor.data_ptr(), static_cast<std::size_t>(tensor.numel()), dtype_of(tensor.scalar_type())};
}

}  // namespace lockstep
