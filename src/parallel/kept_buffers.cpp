// SPDX-License-Identifier: Apache-2.0
#include "parallel/kept_buffers.h"

namespace lockstep {
namespace {

// Of one size: two NaN of the same bits are equal, 0 and -0 are not.
torch::ScalarType bits_of(const torch::Tensor& floating) {
  switch (floating.element_size()) {
    case 1:
      return torch::kUInt8;
    case 2:
      return torch::kInt16;
    case 4:
      return torch::kInt32;
    default:
      return torch::kInt64;
  }
}

}  // namespace

KeptBuffers::KeptBuffers(const ModelArena& arena) : arena_(arena), floating_(arena.buffer_values().clone()) {
  for (const auto& [name, tensor] : arena.integer_buffers()) integers_.push_back(tensor.clone());
}

void KeptBuffers::keep() {
  const torch::NoGradGuard no_grad;
  floating_.copy_(arena_.buffer_values());
  for (std::size_t i = 0; i < integers_.size(); ++i) integers_[i].copy_(arena_.integer_buffers()[i].second);
}

void KeptBuffers::put_back() const {
  const torch::NoGradGuard no_grad;
  arena_.buffer_values().copy_(floating_);
  put_back_integers();
}

torch::Tensor KeptBuffers::changed() const {
  const torch::NoGradGuard no_grad;
  const torch::Tensor now = arena_.buffer_values();
  if (arena_.buffers().empty()) return now.new_zeros({0});
  const torch::Tensor differs = now.view(bits_of(now)).ne(floating_.view(bits_of(now)));
  std::vector<torch::Tensor> each;
  for (const ArenaEntry& entry : arena_.buffers())
    each.push_back(differs.narrow(0, entry.offset - arena_.trainable_count(), entry.count).any());
  return torch::stack(each).to(now.scalar_type());
}

void KeptBuffers::put_back_integers() const {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < integers_.size(); ++i) arena_.integer_buffers()[i].second.copy_(integers_[i]);
}

}  // namespace lockstep
