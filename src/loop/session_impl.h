// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "comm/domain/host_domain.h"
#include "lockstep/base/error.h"
#include "lockstep/loop/session.h"
#include "run/options.h"

namespace lockstep {

// What the parts of a loop know of each other through their session.
struct Session::Impl {
  // No job: a world of one of its own.
  Impl(World joined, torch::Device device) : world(std::move(joined)), device(device) {}

  // Collective. Throws AgreedFault (70) when another rank says another verb. Note [verbs]. `wrong`: what this
  // rank has found wrong since the last verb, and could not say alone; thrown as an AgreedFault where all
  // ranks found it, else named beside the verb.
  void begin_verb(const std::string& verb, const std::optional<Fault>& wrong = {});

  // Called before parameters or optimizer state may change: by whoever copies them.
  std::list<std::function<void()>> before_update;
  void release_state() {
    for (const auto& release : before_update) release();
  }

  // Collective. What the ranks of this host have in common, met once; null where they exchange messages.
  HostDomain* domain();

  World world;
  torch::Device device;
  StopTimes stop_times;
  std::optional<ExitCode> ending;             // of a body that returns
  std::set<const void*> parallel_parameters;  // TensorImpl of those under a DataParallel
  std::set<const void*> parallel_buffers;
  std::set<const void*> once_parallel;  // under one at some time: others here look at their memory
  std::uint64_t seed = 0;               // of the first DataParallel
  int micro_batches = 1;
  bool fast = false;  // one of them is

 private:
  std::optional<std::unique_ptr<HostDomain>> domain_;
};

}  // namespace lockstep
