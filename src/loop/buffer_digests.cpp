// SPDX-License-Identifier: Apache-2.0
#include "loop/buffer_digests.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>

#include "comm/agree.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "loop/same_lines.h"

namespace lockstep {

BufferDigests digests_of_buffers(const torch::nn::Module& module) {
  BufferDigests all;
  for (const auto& item : module.named_buffers()) {
    if (!item.value().defined() || item.value().layout() != torch::kStrided) continue;
    const torch::Tensor host = item.value().detach().cpu().contiguous();
    all.emplace_back(item.key(), digest_of({static_cast<const char*>(host.const_data_ptr()), host.nbytes()}));
  }
  return all;
}

void require_same_buffers(World& world, const BufferDigests& mine, const std::string& when) {
  std::string text;
  for (const auto& [name, digest] : mine) text += fmt::format("{} {}\n", printable(name), digest.hex());
  require_same_values(world, text, [&](const std::string& name) {
    return Fault(
        ExitCode::kBug,
        fmt::format("{}: buffer {} is not the same on rank {} as on rank 0", when, name, world.rank().value),
        "Change buffers on all ranks alike (Session::broadcast, all_reduce_sum), or in the function "
        "given to backward() and update(), whose micro-batches are averaged");
  });
}

void SteadyBuffers::note_chunk() {
  if (!first_) first_ = digests_of_buffers(module_);
}

void SteadyBuffers::require(World& world) const {
  check(first_.has_value(), "every rank has computed a chunk");
  const BufferDigests now = digests_of_buffers(module_);
  std::optional<Fault> wrong;
  const auto at = std::ranges::mismatch(*first_, now).in2;
  if (at != now.end())
    wrong =
        Fault(ExitCode::kConfig,
              fmt::format("buffer {} changes from chunk to chunk of an evaluation, so that its numbers "
                          "would depend on how many ranks share it",
                          printable(at->first)),
              "Write to it in training mode alone (is_training()), or start each chunk from a fresh state");
  agree_no_fault(world, wrong);
  require_same_buffers(world, now, "after an evaluation");
}

}  // namespace lockstep
