// SPDX-License-Identifier: Apache-2.0
#include "parallel/tensor_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

struct Extent {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  std::string name;
};

// What a tensor's elements reach from the first to the last, which is all of a dense one.
Extent extent_of(const std::string& name, const torch::Tensor& tensor) {
  std::int64_t last = 0;
  for (std::int64_t i = 0; i < tensor.dim(); ++i) last += (tensor.size(i) - 1) * tensor.stride(i);
  const auto begin = reinterpret_cast<std::uintptr_t>(tensor.data_ptr());
  return {begin, begin + static_cast<std::uintptr_t>((last + 1) * tensor.element_size()), name};
}

// Of every dtype that a module has, gradients and buffers are summed.
void require_summable(const std::string& what, const torch::Tensor& tensor) {
  const torch::ScalarType type = tensor.scalar_type();
  constexpr std::array kSummed = {torch::kFloat64, torch::kFloat32, torch::kBFloat16, torch::kFloat16};
  if (tensor.is_floating_point() && std::ranges::find(kSummed, type) == kSummed.end())
    throw Fault(ExitCode::kConfig, fmt::format("{} is {}, which has no sums", what, c10::toString(type)),
                "Keep it as float32, float64, bfloat16 or float16, and convert it in forward()");
}

void require_parameter(const std::string& name, const torch::Tensor& tensor) {
  if (!tensor.is_floating_point())
    throw Fault(ExitCode::kConfig,
                fmt::format("parameter {} is {}; parameters are real floating-point numbers", name,
                            c10::toString(tensor.scalar_type())),
                tensor.is_complex() ? "Keep real and imaginary part as two real parameters (torch::complex, "
                                      "torch::view_as_complex)"
                                    : "Register it as a buffer");
  if (tensor.layout() != torch::kStrided)
    throw Fault(ExitCode::kConfig, fmt::format("parameter {} is not dense", name), "Make it dense");
  require_summable("parameter " + name, tensor);
  if (!tensor.is_leaf())
    throw Fault(ExitCode::kConfig,
                fmt::format("parameter {} is computed from other tensors, so it cannot be trained", name),
                "Register a tensor of its own (detach().clone()), and compute from it in forward()");
}

void require_apart(std::vector<Extent> extents) {
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < extents.size(); ++i) {
    const Extent &before = extents[i - 1], &here = extents[i];
    if (here.begin < before.end)
      throw Fault(ExitCode::kConfig,
                  fmt::format("{} and {} are two tensors over the same memory", before.name, here.name),
                  "To tie them, register the same tensor under both names; else clone() one of them");
  }
}

}  // namespace

void require_ordinary_tensors(const torch::nn::Module& model) {
  std::set<const void*> seen, parameters;
  std::vector<Extent> extents;
  const auto note = [&](const std::string& name, const torch::Tensor& tensor) {
    const bool is_new = seen.insert(tensor.unsafeGetTensorImpl()).second;
    if (is_new && tensor.numel() > 0 && tensor.layout() == torch::kStrided)
      extents.push_back(extent_of(name, tensor));
  };
  for (const auto& item : model.named_parameters()) {
    require_parameter(item.key(), item.value());
    parameters.insert(item.value().unsafeGetTensorImpl());
    note(item.key(), item.value());
  }
  for (const auto& item : model.named_buffers()) {
    if (parameters.contains(item.value().unsafeGetTensorImpl()))
      throw Fault(ExitCode::kConfig, fmt::format("{} is a parameter and a buffer", item.key()),
                  "Register it as one of them");
    if (item.value().is_complex())
      throw Fault(ExitCode::kConfig, fmt::format("buffer {} is complex", item.key()),
                  "Keep it as a real tensor (torch::view_as_real)");
    require_summable("buffer " + item.key(), item.value());
    note(item.key(), item.value());
  }
  require_apart(std::move(extents));
}

}  // namespace lockstep
