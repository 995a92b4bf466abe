// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <array>

#include "lockstep/base/dtype.h"
#include "lockstep/comm/communicator.h"

namespace lockstep {

// The MPI type whose elements have the size of `dtype`; the real one where MPI has it, else an integer of
// that size.
MPI_Datatype mpi_type_of(DType dtype);

// The reductions. MPI has no 16-bit floats, and leaves min and max of NaN and of -0 to the order it happens
// to take; those are ours (reduce_elements), the rest MPI's own.
class MpiOps {
 public:
  // Local. MPI runs. The operators live until MPI_Finalize.
  MpiOps();
  MPI_Op of(DType dtype, ReduceOp op) const;

 private:
  static constexpr std::size_t kDTypes = 12;
  std::array<std::array<MPI_Op, 3>, kDTypes> table_;
};

}  // namespace lockstep
