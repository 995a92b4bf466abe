// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/mpi_types.h"

#include "comm/mpi/mpi_error.h"
#include "comm/reduce_elements.h"

namespace lockstep {
namespace {

// MPI hands its callback no context, so what to reduce is in the type of the function.
template <DType kType, ReduceOp kOp>
void reduce(void* from, void* into, int* count, MPI_Datatype*) {
  reduce_elements(kOp, {from, static_cast<std::size_t>(*count), kType}, into);
}

template <DType kType, ReduceOp kOp>
MPI_Op make_op() {
  MPI_Op op = MPI_OP_NULL;
  // Commutative (the 1): MPI may then take its fast algorithms, as it does for its own sums.
  try_mpi(MPI_Op_create(&reduce<kType, kOp>, 1, &op), "MPI_Op_create");
  return op;
}

template <DType kType>
std::array<MPI_Op, 3> own_ops(MPI_Op sum) {
  return {sum, make_op<kType, ReduceOp::kMin>(), make_op<kType, ReduceOp::kMax>()};
}

}  // namespace

MPI_Datatype mpi_type_of(DType dtype) {
  switch (dtype) {
    case DType::kInt8:
      return MPI_INT8_T;
    case DType::kInt16:
      return MPI_INT16_T;
    case DType::kFloat16:
    case DType::kBFloat16:
      return MPI_UINT16_T;
    case DType::kInt32:
      return MPI_INT32_T;
    case DType::kInt64:
      return MPI_INT64_T;
    case DType::kFloat32:
      return MPI_FLOAT;
    case DType::kFloat64:
      return MPI_DOUBLE;
    case DType::kBool:
    case DType::kUInt8:
    case DType::kFloat8E4M3:
    case DType::kFloat8E5M2:
      break;
  }
  return MPI_UINT8_T;
}

MpiOps::MpiOps() {
  table_.fill({MPI_SUM, MPI_MIN, MPI_MAX});
  const auto row = [&](DType dtype) -> auto& {
    return table_[static_cast<std::size_t>(dtype)];
  };
  row(DType::kFloat16) = own_ops<DType::kFloat16>(make_op<DType::kFloat16, ReduceOp::kSum>());
  row(DType::kBFloat16) = own_ops<DType::kBFloat16>(make_op<DType::kBFloat16, ReduceOp::kSum>());
  row(DType::kFloat32) = own_ops<DType::kFloat32>(MPI_SUM);
  row(DType::kFloat64) = own_ops<DType::kFloat64>(MPI_SUM);
}

MPI_Op MpiOps::of(DType dtype, ReduceOp op) const {
  return table_[static_cast<std::size_t>(dtype)][static_cast<std::size_t>(op)];
}

}  // namespace lockstep
