// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "comm/domain/host_domain.h"
#include "parallel/contribution_stack.h"
#include "tensors/birthplace.h"

namespace lockstep {

// Which gradients of the ranks of a domain lie where autograd has made them (Note [born gradients]), and
// where that is. Each rank's lie in memory of its own that all others have mapped; it tells them the offsets
// in a table they have in common. A rank that is alone reads them wherever they are.
class BornGradients {
 public:
  // Collective. `rank_of_node`: whose the partial sums of a step are, in their order. Null on all ranks where
  // one has no memory to show: tensors are not kept, or addresses are short.
  static std::unique_ptr<BornGradients> make(HostDomain& domain, const ModelArena& arena,
                                             const std::vector<int>& rank_of_node);

  // Local. May this one stay where it is? Laid out as its parameter, all of its memory, and that in reach.
  bool adopts(const torch::Tensor& gradient) const;

  // Local. The table then has what this rank's sums, in their order, say.
  void publish(const std::vector<PartialSum>& sums);
  // Local, after a barrier behind publish(): reads the table.
  void look();
  // Local. Ranks write means where the gradients of others are (CommonSums::putting_in_place()); until then
  // what others have can only be read. Throws Fault (69).
  void allow_writes();

  // Local, after look(): where the gradient of the index-th trainable parameter begins, of the partial sum
  // `node`; null: where its flat tensor has it.
  const void* place(std::size_t node, std::size_t index) const { return places_[node * parameters_ + index]; }

 private:
  BornGradients(HostDomain& domain, const ModelArena& arena, std::vector<int> rank_of_node);
  bool show(HostDomain& domain, const ModelArena& arena);
  // Of a gradient of this rank; what others need to know of it.
  std::int64_t told(const torch::Tensor& gradient) const;
  const std::byte* memory_of(int rank) const;

  int rank_;
  std::vector<int> rank_of_node_;
  std::size_t parameters_;
  std::vector<const void*> places_;
  torch::Tensor table_;                     // in common; a row for each partial sum
  std::unique_ptr<Birthplace> birthplace_;  // null: nobody else reads
  HostDomain::PeerMemories peers_;
};

}  // namespace lockstep
