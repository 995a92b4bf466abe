// SPDX-License-Identifier: Apache-2.0
#include "parallel/graphed_pass.h"

#include <fmt/format.h>

#include <utility>

#include "lockstep/base/error.h"
#include "parallel/model_check.h"

namespace lockstep {

GraphedPass::GraphedPass(const ModelArena& arena, RecordGraph record, Fill fill)
    : arena_(arena),
      record_(std::move(record)),
      fill_(std::move(fill)),
      sum_{{0, 1}, arena.new_contribution()} {}

void GraphedPass::compare(const MicroBatchBits& own, std::int64_t step, int micro_batch) const {
  const std::string what = own.difference({arena_, sum_});
  if (what.empty()) return;
  throw Fault(ExitCode::kConfig,
              fmt::format("train.cuda_graph: step {}: micro-batch {}, computed by the graph of another one, "
                          "differs in {}",
                          step, micro_batch, what),
              "A model that is recorded must not decide or compute on the host by what is in a batch; else "
              "leave train.cuda_graph out");
}

}  // namespace lockstep
