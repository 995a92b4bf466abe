// SPDX-License-Identifier: Apache-2.0
#include "parallel/model_check.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

Digest bits_of(const torch::Tensor& tensor) {
  const torch::Tensor host = tensor.detach().cpu().contiguous();
  return digest_of(std::string_view(static_cast<const char*>(host.data_ptr()), host.nbytes()));
}

}  // namespace

MicroBatchBits::MicroBatchBits(const ModelArena& arena, const PartialSum& sum) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor loss = sum.flat[arena.loss_offset()];
  loss_ = loss.item<double>();
  parts_.emplace_back("the loss", bits_of(loss));
  for (std::size_t i = 0; i < arena.trainable().size(); ++i)
    parts_.emplace_back("the gradient of " + printable(arena.trainable()[i].name),
                        bits_of(sum.gradient(arena, i)));
  for (const ArenaEntry& entry : arena.buffers())
    parts_.emplace_back("the buffer " + printable(entry.name), bits_of(ModelArena::view(sum.flat, entry)));
  for (const auto& [name, tensor] : arena.integer_buffers())
    parts_.emplace_back("the integer buffer " + printable(name), bits_of(tensor));
}

std::string MicroBatchBits::difference(const MicroBatchBits& again) const {
  constexpr int kNamed = 3;
  std::string text;
  int others = 0;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i].second == again.parts_[i].second) continue;
    if (++others > kNamed) continue;
    text += (text.empty() ? "" : ", ") + parts_[i].first;
    if (i == 0) text += fmt::format(" ({} then {})", loss_, again.loss_);
  }
  if (others > kNamed) text += fmt::format(" and {} more", others - kNamed);
  return text;
}

void refuse_model(std::int64_t step, int micro_batch, const std::string& what) {
  throw Fault(
      ExitCode::kConfig,
      fmt::format("step {}: the model is not a function of its parameters, buffers, samples and the default "
                  "generator: micro-batch {}, computed once more, {}",
                  step, micro_batch, what),
      "Keep what it counts or remembers in a buffer (register_buffer), draw random numbers from LibTorch's "
      "default generator and read no clock; docs/your-own-model.md. Not to be told: train.check_model=false, "
      "or "
      "ParallelOptions::check_model in a loop of your own");
}

}  // namespace lockstep
