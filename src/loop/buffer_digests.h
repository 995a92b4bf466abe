// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lockstep/base/hash.h"
#include "lockstep/comm/world.h"

namespace lockstep {

// Of the bits of each dense buffer of a module, with its name. A buffer that runs on where nobody averages
// it, in an evaluation, or under a rank's own hands between two steps, depends on which rank has computed
// what.
using BufferDigests = std::vector<std::pair<std::string, Digest>>;

// Local.
BufferDigests digests_of_buffers(const torch::nn::Module& module);

// Collective. Throws AgreedFault (70) naming the first that is not the same on all ranks. `when`: "before
// step 3".
void require_same_buffers(World& world, const BufferDigests& mine, const std::string& when);

// Around the chunks of an evaluation that ranks share. A first forward may fill buffers (a table, a mask);
// those after it may change none.
class SteadyBuffers {
 public:
  explicit SteadyBuffers(const torch::nn::Module& module) : module_(module) {}

  // Local, after each chunk.
  void note_chunk();
  // Collective, after the last one. Throws AgreedFault (78) naming a buffer that goes on changing, and as
  // require_same_buffers() does.
  void require(World& world) const;

 private:
  const torch::nn::Module& module_;
  std::optional<BufferDigests> first_;  // after the first chunk
};

}  // namespace lockstep
