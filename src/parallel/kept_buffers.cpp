// SPDX-License-Identifier: Apache-2.0
#include "parallel/kept_buffers.h"

namespace lockstep {

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

void KeptBuffers::put_back_integers() const {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < integers_.size(); ++i) arena_.integer_buffers()[i].second.copy_(integers_[i]);
}

}  // namespace lockstep
