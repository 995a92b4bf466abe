// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "comm/domain/host_domain.h"
#include "lockstep/base/error.h"
#include "optim/optimizer.h"
#include "parallel/arena.h"
#include "parallel/domain_slots.h"
#include "parallel/parameter_versions.h"
#include "parallel/sealed_parameters.h"

namespace lockstep {

// The one copy of trainable parameters and optimizer slots that the ranks of a domain have.
class CommonState {
 public:
  // Collective. Moves both to memory in common, with the values of the domain's first rank. `sharded`: with a
  // slot's elements in one of several domains alone. Null on all ranks where there is no room.
  static std::unique_ptr<CommonState> make(HostDomain& domain, ModelArena& arena, FlatOptimizer& optimizer,
                                           bool sharded);

  // Local, while nobody copies the state. The parameters are in memory of this rank's own again. `arena` is
  // that of make().
  static void leave(std::unique_ptr<CommonState> state, ModelArena& arena);

  // As GradientExchange::state_was_written() and touched().
  void was_written();
  std::optional<Fault> touched() const;

  // Null where slots are whole.
  PartedSlots* parted() const { return parted_.get(); }

 private:
  explicit CommonState(const ModelArena& arena) : arena_(arena) {}

  const ModelArena& arena_;
  ParameterVersions written_;
  std::unique_ptr<SealedParameters> sealed_;
  std::unique_ptr<DomainSlots> parted_;
};

}  // namespace lockstep
