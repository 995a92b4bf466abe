// SPDX-License-Identifier: Apache-2.0
#include "train/pass_samples.h"

#include <algorithm>

#include "data/host_batch.h"

namespace lockstep {
namespace {

ReadBatch copy_of(const ReadBatch& read) {
  Batch::Tensors copies;
  for (const auto& [name, tensor] : read.batch.tensors()) copies.emplace_back(name, tensor.clone());
  return {read.host, Batch(std::move(copies), read.batch.target_name())};
}

}  // namespace

void PassSamples::begin(const MicroBatches& batches, const ComputeDevice& compute, bool keeps_first) {
  end();
  for (const HostBatch& batch : batches) lie_.push_back({batch, to_device(batch, compute)});
  if (keeps_first) first_ = std::make_unique<ReadBatch>(copy_of(lie_.front()));
}

void PassSamples::end() {
  lie_.clear();
  first_.reset();
  loosen();
}

bool PassSamples::fix(std::size_t index) {
  loosen();
  const ReadBatch& lies = lie_[index];
  if (fixed_.empty()) fixed_ = copy_of(lies).batch.tensors();
  const Batch::Tensors& now = lies.batch.tensors();
  const auto is_alike = [](const auto& one, const auto& other) {
    return one.second.sizes() == other.second.sizes();
  };
  if (!std::ranges::equal(now, fixed_, is_alike)) return false;
  for (std::size_t i = 0; i < now.size(); ++i) fixed_[i].second.copy_(now[i].second);
  return is_fixed_ = true;
}

ReadBatch PassSamples::read(std::size_t index) const {
  const ReadBatch& lies = lie_[index];
  if (is_fixed_) return {lies.host, Batch(fixed_, lies.batch.target_name())};
  return first_ && index == 0 ? copy_of(*first_) : lies;
}

}  // namespace lockstep
