// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <thread>

#include "checkpoint/shard_plan.h"
#include "shelf/fixture.h"

namespace lockstep {

// Three matrices of 500 rows, each of six leaves, so that shards of any number but three cut them; and
// tensors of every dtype.
inline OwnedState splittable_state(std::int64_t step) {
  return OwnedState(step, 42, 500);
}

// One sharded save as a job makes it: threads stand for the ranks, and what each wrote goes through the text
// that ranks send.
inline SaveReport save_sharded(CheckpointStore& store, const CheckpointState& state, int shards) {
  PlannedState planned = plan_state(state);
  planned.plan = plan_sharded(planned.tensors, shards);
  if (const auto there = store.begin_save(planned)) return store.repeat_save(planned, *there, false);
  std::vector<std::string> sent(planned.plan.shards.size());
  std::vector<std::thread> ranks;
  for (std::size_t s = 0; s < sent.size(); ++s)
    ranks.emplace_back([&, s] { sent[s] = encode_file(store.write_shard(planned, s)); });
  for (std::thread& rank : ranks) rank.join();
  std::vector<WrittenFile> written;
  for (const std::string& shard : sent) written.push_back(decode_file(shard));
  return store.commit_save(planned, written, false);
}

// The same with one rank after the other, so that the k-th operation of a disk is the same one each time, and
// given up when it fails.
inline void save_in_turn(CheckpointStore& store, const CheckpointState& state, int shards) {
  PlannedState planned = plan_state(state);
  planned.plan = plan_sharded(planned.tensors, shards);
  if (const auto there = store.begin_save(planned)) {
    store.repeat_save(planned, *there, true);
    return;
  }
  try {
    std::vector<WrittenFile> written;
    for (std::size_t s = 0; s < planned.plan.shards.size(); ++s)
      written.push_back(store.write_shard(planned, s));
    store.commit_save(planned, written, true);
  } catch (...) {
    store.abandon_save(state.record.step);
    throw;
  }
}

}  // namespace lockstep
