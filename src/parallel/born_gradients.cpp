// SPDX-License-Identifier: Apache-2.0
#include "parallel/born_gradients.h"

#include <algorithm>
#include <set>

#include "parallel/common_tensors.h"

namespace lockstep {
namespace {

constexpr std::int64_t kInFlat = -1;

}  // namespace

BornGradients::BornGradients(HostDomain& domain, const ModelArena& arena, std::vector<int> rank_of_node)
    : rank_(domain.rank()),
      rank_of_node_(std::move(rank_of_node)),
      parameters_(arena.trainable().size()),
      places_(rank_of_node_.size() * parameters_) {}

std::unique_ptr<BornGradients> BornGradients::make(HostDomain& domain, const ModelArena& arena,
                                                   const std::vector<int>& rank_of_node) {
  std::unique_ptr<BornGradients> born(new BornGradients(domain, arena, rank_of_node));
  return domain.is_alone() || born->show(domain, arena) ? std::move(born) : nullptr;
}

bool BornGradients::show(HostDomain& domain, const ModelArena& arena) {
  std::set<std::size_t> lengths;
  std::size_t bytes = 0;
  for (const torch::Tensor& parameter : arena.trainable_tensors()) {
    if (parameter.nbytes() < KeptMemory::kSmallest) continue;
    lengths.insert(parameter.nbytes());
    bytes += parameter.nbytes();
  }
  // Alike on all ranks.
  if (lengths.empty()) return false;
  const auto mine = static_cast<std::size_t>(std::ranges::count(rank_of_node_, rank_));
  birthplace_ = Birthplace::make(lengths, bytes * (mine + 1));
  if (!domain.all(birthplace_ != nullptr)) return false;
  peers_ = domain.show_each_other(birthplace_->memory().descriptor());
  if (peers_.empty()) return false;
  const auto cells = static_cast<std::int64_t>(places_.size());
  table_ = zeros_in_common(domain, cells, torch::kInt64);
  return table_.defined();
}

bool BornGradients::adopts(const torch::Tensor& gradient) const {
  const bool whole = gradient.layout() == torch::kStrided && gradient.device().is_cpu() &&
                     gradient.is_contiguous() && gradient.storage_offset() == 0 &&
                     gradient.nbytes() == gradient.storage().nbytes() &&
                     gradient.nbytes() >= KeptMemory::kSmallest;
  return whole && (birthplace_ == nullptr || birthplace_->memory().owns(gradient.const_data_ptr()));
}

std::int64_t BornGradients::told(const torch::Tensor& gradient) const {
  return static_cast<std::int64_t>(birthplace_->memory().offset_of(gradient.const_data_ptr()).value());
}

void BornGradients::publish(const std::vector<PartialSum>& sums) {
  std::size_t node = 0;
  for (const PartialSum& sum : sums) {
    while (rank_of_node_[node] != rank_) ++node;
    for (std::size_t i = 0; i < parameters_; ++i) {
      const std::size_t cell = node * parameters_ + i;
      if (birthplace_ == nullptr)
        places_[cell] = sum.is_born(i) ? sum.born[i].const_data_ptr() : nullptr;
      else
        table_.mutable_data_ptr<std::int64_t>()[cell] = sum.is_born(i) ? told(sum.born[i]) : kInFlat;
    }
    ++node;
  }
}

const std::byte* BornGradients::memory_of(int rank) const {
  return rank == rank_ ? birthplace_->memory().base() : peers_[static_cast<std::size_t>(rank)]->data();
}

void BornGradients::allow_writes() {
  for (const auto& peer : peers_)
    if (peer != nullptr) peer->allow_writes();
}

void BornGradients::look() {
  if (birthplace_ == nullptr) return;
  const std::int64_t* const table = table_.const_data_ptr<std::int64_t>();
  for (std::size_t cell = 0; cell < places_.size(); ++cell)
    places_[cell] =
        table[cell] == kInFlat ? nullptr : memory_of(rank_of_node_[cell / parameters_]) + table[cell];
}

}  // namespace lockstep
