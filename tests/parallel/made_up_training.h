// SPDX-License-Identifier: Apache-2.0
// A training whose gradients are made up, for tests of exchanges.
#pragma once

#include <sys/mman.h>
#include <torch/torch.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "comm/domain/host_domain.h"
#include "parallel/gradient_exchange.h"
#include "parallel/ownership.h"

namespace lockstep {

// Some blocks of the norm long, a parameter that nothing reaches, a buffer.
struct Net : torch::nn::Module {
  Net() {
    torch::manual_seed(5);
    a = register_module("a", torch::nn::Linear(torch::nn::LinearOptions(300, 500)));
    unused = register_parameter("unused", torch::ones({70}));
    b = register_module("b", torch::nn::Linear(torch::nn::LinearOptions(500, 3)));
    mean = register_buffer("mean", torch::zeros({9}));
  }
  torch::nn::Linear a{nullptr}, b{nullptr};
  torch::Tensor mean, unused;
};

// What micro-batch `index` of a step leaves: made up, the same wherever it is computed.
inline torch::Tensor contribution(const ModelArena& arena, int step, int index) {
  torch::manual_seed(1000 * step + index);
  torch::Tensor flat = torch::randn({arena.contribution_count()});
  // The padding is zero; and one parameter is reached by none.
  torch::Tensor mask = torch::zeros_like(flat);
  for (const ArenaEntry& entry : arena.trainable())
    mask.narrow(0, entry.offset, entry.count).fill_(entry.name == "unused" ? 0 : 1);
  mask.narrow(0, arena.trainable_count(), arena.contribution_count() - arena.trainable_count()).fill_(1);
  flat.mul_(mask);
  for (std::size_t i = 0; i < arena.trainable().size(); ++i)
    flat[arena.reached_offset() + static_cast<std::int64_t>(i)].fill_(arena.trainable()[i].name != "unused");
  flat.narrow(0, arena.changed_offset(), std::ssize(arena.buffers())).fill_(1);
  return flat;
}

// One training of its own: a model, its arena and optimizer, and the exchange they are given.
struct Training {
  Training(World& world, int count, HostDomain* domain, const OptimOptions& optim, bool sharded = false)
      : Training(world, {.micro_batches = count, .domain = domain, .sharded = sharded}, optim) {}
  Training(World& world, const ExchangePlan& plan, const OptimOptions& optim)
      : arena(net),
        micro_batches(plan.micro_batches),
        run(run_of(world, micro_batches)),
        exchange(make_exchange(world, arena, plan)),
        stack(arena, run, micro_batches) {
    if (!exchange->contributions().empty()) stack.use(exchange->contributions());
    ParameterOffsets offsets;
    ParameterShapes shapes;
    for (const ArenaEntry& entry : arena.trainable()) {
      offsets.push_back(entry.offset);
      shapes.push_back(entry.shape);
    }
    optimizer = FlatOptimizer::make(optim, arena.trainable_values(), {offsets, {}, shapes});
  }

  void reduce(int step) {
    stack.clear();
    for (int index = run.first; index < run.end(); ++index) {
      stack.open(index);
      const torch::Tensor mine = contribution(arena, step, index);
      stack.accumulates() ? stack.target().flat.add_(mine) : stack.target().flat.copy_(mine);
      stack.close();
    }
    exchange->reduce(stack.sums());
  }

  Net net;
  ModelArena arena;
  int micro_batches;
  MicroBatchRun run;
  std::unique_ptr<GradientExchange> exchange;
  ContributionStack stack;
  std::unique_ptr<FlatOptimizer> optimizer;
};

// How much of its memory is there, for a rank of this host.
inline std::size_t resident_bytes(const torch::Tensor& slot) {
  std::vector<unsigned char> pages((slot.nbytes() + 4095) / 4096);
  if (::mincore(slot.data_ptr(), slot.nbytes(), pages.data()) != 0) return 0;
  return 4096 *
         static_cast<std::size_t>(std::ranges::count_if(pages, [](unsigned char page) { return page & 1; }));
}

}  // namespace lockstep
