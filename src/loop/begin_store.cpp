// SPDX-License-Identifier: Apache-2.0
#include "loop/begin_store.h"

#include <string>

#include "comm/agree.h"

namespace lockstep {

std::uint64_t room_for_one_checkpoint(std::uint64_t tensor_bytes) {
  return tensor_bytes + tensor_bytes / 8 + (1u << 20);
}

void begin_store(World& world, CheckpointStore& store, std::uint64_t bytes_needed, Attempt attempt) {
  std::string generation;
  on_root(world, [&] {
    store.prepare(bytes_needed);
    generation = store.begin_generation(attempt);
  });
  store.enter_generation(agree_on_root(world, generation).value);
}

}  // namespace lockstep
