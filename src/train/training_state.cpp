// SPDX-License-Identifier: Apache-2.0
#include "train/training_state.h"

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// Slot "step", one for all parameters: they are always updated together.
const char* const kStepsDone = "all_parameters";

std::shared_ptr<Model> moved(std::shared_ptr<Model> model, const ComputeDevice& compute) {
  move_model(*model, compute);
  return model;
}

}  // namespace

TrainingState::TrainingState(std::shared_ptr<Model> model, const OptimOptions& optim,
                             const ComputeDevice& compute)
    : model_(moved(std::move(model), compute)),
      compute_(compute),
      arena_(*model_),
      optimizer_(FlatOptimizer::make(optim, arena_.parameter_values())),
      steps_done_(torch::zeros({}, torch::kFloat32)) {
  list_persisted();
}

void TrainingState::list_persisted() {
  const auto add_steady = [&](const std::string& slot, const torch::Tensor& flat) {
    for (const ArenaEntry& entry : arena_.parameters())
      add({slot, entry.name}, ModelArena::view(flat, entry), /*steady=*/true);
  };
  add_steady("", arena_.values());
  for (const ArenaEntry& entry : arena_.buffers())
    add({"", entry.name}, ModelArena::view(arena_.values(), entry), /*steady=*/false);
  for (const auto& [name, tensor] : arena_.integer_buffers()) add({"", name}, tensor, /*steady=*/false);
  for (const Slot& slot : optimizer_->slots()) add_steady(slot.name, slot.flat);
  add({"step", kStepsDone}, steps_done_, /*steady=*/false);
}

void TrainingState::add(TensorKey key, const torch::Tensor& live, bool steady) {
  // Pinned, so that a copy from the device runs beside the training.
  const torch::Tensor host =
      live.device().is_cpu()
          ? live
          : torch::empty(live.sizes(), live.options().device(torch::kCPU).pinned_memory(true));
  persisted_.push_back({std::move(key), live.sizes().vec(), live, host, steady});
}

void TrainingState::apply(const torch::Tensor& mean, double lr) {
  torch::NoGradGuard no_grad;
  optimizer_->update(mean.narrow(0, 0, arena_.parameter_count()), lr);
  const std::int64_t buffers = arena_.value_count() - arena_.parameter_count();
  if (buffers > 0) arena_.buffer_values().copy_(mean.narrow(0, arena_.parameter_count(), buffers));
}

std::vector<StateTensor> TrainingState::tensors() {
  torch::NoGradGuard no_grad;
  for (Persisted& item : persisted_)
    if (!item.live.device().is_cpu()) item.host.copy_(item.live);
  return host_tensors();
}

std::vector<StateTensor> TrainingState::host_tensors() {
  torch::NoGradGuard no_grad;
  steps_done_.fill_(optimizer_->steps_done());
  std::vector<StateTensor> list;
  for (Persisted& item : persisted_) {
    const MutableSpan span = span_of(item.host);
    list.push_back(
        {item.key, span.dtype, item.shape, {static_cast<const std::byte*>(span.data), span.bytes()}});
  }
  return list;
}

std::vector<MutableStateTensor> TrainingState::places() {
  std::vector<MutableStateTensor> list;
  for (Persisted& item : persisted_) {
    const MutableSpan span = span_of(item.host);
    list.push_back({item.key, span.dtype, item.shape, {static_cast<std::byte*>(span.data), span.bytes()}});
  }
  return list;
}

void TrainingState::commit_restore() {
  torch::NoGradGuard no_grad;
  for (Persisted& item : persisted_)
    if (!item.live.device().is_cpu()) item.live.copy_(item.host);
  optimizer_->set_steps_done(steps_done_.item<double>());
}

std::uint64_t TrainingState::bytes() {
  std::uint64_t total = 0;
  for (const Persisted& item : persisted_) total += item.live.nbytes();
  return total;
}

std::uint64_t TrainingState::integer_digest() const {
  Hasher hasher;
  for (const auto& [name, tensor] : arena_.integer_buffers()) {
    const torch::Tensor host = tensor.cpu().contiguous();
    hasher.update({static_cast<const std::byte*>(host.data_ptr()), host.nbytes()});
  }
  return hasher.digest().low;
}

}  // namespace lockstep
