// SPDX-License-Identifier: Apache-2.0
#include "parallel/arena.h"

#include <fmt/format.h>

#include <set>

#include "base/aligned_block.h"
#include "base/huge_pages.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr std::int64_t kAlignBytes = 64;
// What a checkpoint writes straight from memory starts on a page, there and here.
constexpr std::int64_t kPageFrom = 64 * 1024;
constexpr std::int64_t kPageBytes{kDirectAlignment};

std::int64_t rounded_up(std::int64_t count, std::int64_t step) {
  return (count + step - 1) / step * step;
}

// Allocators promise less than a page, and know nothing of Note [huge pages].
torch::Tensor zeros_from_a_page_on(std::int64_t count, const torch::TensorOptions& options) {
  const auto element = static_cast<std::int64_t>(options.dtype().itemsize());
  const torch::Tensor memory = torch::empty({count + kPageBytes / element}, options);
  if (memory.is_cpu()) prefer_huge_pages(memory.data_ptr(), memory.nbytes());
  memory.zero_();
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data_ptr());
  const auto behind = static_cast<std::int64_t>(address % kPageBytes);
  return memory.narrow(0, (rounded_up(behind, kPageBytes) - behind) / element, count);
}

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
  const auto element = static_cast<std::int64_t>(tensor.element_size());
  const bool large = tensor.numel() * element >= kPageFrom;
  end_ = rounded_up(end_, (large ? kPageBytes : kAlignBytes) / element);
  entries.push_back({name, tensor.sizes().vec(), end_, tensor.numel()});
  end_ += rounded_up(tensor.numel(), kAlignBytes / element);
}

void ModelArena::adopt() {
  torch::NoGradGuard no_grad;
  values_ = zeros_from_a_page_on(end_, options_);
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
