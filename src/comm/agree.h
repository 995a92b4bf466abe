// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/base/units.h"
#include "lockstep/comm/world.h"

namespace lockstep {

// A value that is the same on every rank. What changes which collectives come next must first become one of
// these: a local doubt must not split the world. Only the agree_ functions make it.
template <class T>
class Agreed {
 public:
  const T value;

 private:
  explicit Agreed(T agreed) : value(std::move(agreed)) {}
  friend struct AgreedMaker;
};

// A Fault that every rank throws at the same place, with the same code: all can leave in good order
// (leave_job). A plain Fault is one rank's alone: it must end the others too (abort_job).
class AgreedFault : public Fault {
 public:
  using Fault::Fault;
};

// Collective. The largest / smallest of what the ranks hold. T: an integer, an enum or a Strong number.
template <class T>
Agreed<T> agree_max(World& world, T mine);
template <class T>
Agreed<T> agree_min(World& world, T mine);

// Collective. What rank 0 holds; the others' argument is ignored.
Agreed<std::string> agree_on_root(World& world, const std::string& mine);

// Collective. The texts of all ranks in rank order, on rank 0; empty on the others. They may differ in
// length.
std::vector<std::string> gather_on_root(World& world, const std::string& mine);

// Collective. Passes when all ranks hold the same bytes, else throws Fault (`code`) on all of them; the
// message names `what` and the ranks that differ from rank 0.
Agreed<std::string> agree_same(World& world, const std::string& what, const std::string& mine, ExitCode code);

// Collective. A Fault at a point where all ranks meet: when any rank brings one, all throw AgreedFault; each
// rank that has one throws its own text, the others that of the lowest failing rank, all with the lowest
// failing rank's code.
void agree_no_fault(World& world, const std::optional<Fault>& mine);
// The same where there is no World yet.
void agree_no_fault(Communicator& group, const std::optional<Fault>& mine);

// Collective. Runs `work` on this rank, then agrees: when it threw a Fault on any rank, all throw
// AgreedFault. `work` itself must not communicate, unless all its Faults are agreed ones.
template <class Work>
void together(World& world, Work&& work);
template <class Work>
void together(Communicator& group, Work&& work);

// Collective. `work` on rank 0 only; all throw AgreedFault when it threw a Fault.
template <class Work>
void on_root(World& world, Work&& work);

}  // namespace lockstep

#include "comm/agree_inl.h"
