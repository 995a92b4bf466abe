// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/nccl_communicator.h"

#include <fmt/format.h>

#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "comm/check_arguments.h"
#include "comm/nccl/cuda_error.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using Time = std::chrono::steady_clock;
constexpr std::chrono::seconds kAbortLimit{10};

// Waits a little: at first only for the other threads' turn, since most waits are short.
class Pause {
 public:
  void operator()() {
    if (++turns_ < 1000)
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(100));
  }

 private:
  int turns_ = 0;
};

ncclDataType_t nccl_type_of(DType dtype) {
  switch (dtype) {
    case DType::kInt8:
      return ncclInt8;
    case DType::kInt32:
      return ncclInt32;
    case DType::kInt64:
      return ncclInt64;
    case DType::kFloat16:
      return ncclFloat16;
    case DType::kBFloat16:
      return ncclBfloat16;
    case DType::kFloat32:
      return ncclFloat32;
    case DType::kFloat64:
      return ncclFloat64;
    case DType::kInt16:
      check(false, "NCCL does not reduce int16");
      break;
    case DType::kBool:
    case DType::kUInt8:
    case DType::kFloat8E4M3:
    case DType::kFloat8E5M2:
      break;
  }
  return ncclUint8;
}

ncclRedOp_t nccl_op_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum:
      return ncclSum;
    case ReduceOp::kMin:
      return ncclMin;
    case ReduceOp::kMax:
      break;
  }
  return ncclMax;
}

}  // namespace

NcclCommunicator::NcclCommunicator(const ncclUniqueId& id, Rank rank, WorldSize size,
                                   DeviceCommOptions options)
    : rank_(rank), size_(size), options_(std::move(options)) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  settle(ncclCommInitRankConfig(&comm_, size.value, id, rank.value, &config), "ncclCommInitRankConfig",
         ExitCode::kCannotStart);
  // Nothing below may throw before the destructor's work is somebody's: it does not run for a half-made
  // object.
  const cudaError_t result = cudaMalloc(&barrier_word_, sizeof(float));
  if (result != cudaSuccess) abort();
  try_cuda(result, "cudaMalloc", ExitCode::kCannotStart);
}

NcclCommunicator::~NcclCommunicator() {
  // ncclCommDestroy would wait for the peers.
  abort();
  if (barrier_word_ != nullptr) cudaFree(barrier_word_);
}

cudaStream_t NcclCommunicator::stream() const {
  return options_.current_stream ? static_cast<cudaStream_t>(options_.current_stream()) : nullptr;
}

ncclComm_t NcclCommunicator::live() const {
  if (comm_ == nullptr)
    throw Fault(ExitCode::kPeerLost, fmt::format("rank {} has given up its NCCL communicator", rank_.value));
  return comm_;
}

void NcclCommunicator::give_up(ncclResult_t result, const char* call, ExitCode code) {
  const std::string why = result == ncclInProgress
                              ? fmt::format("no answer for {} s", options_.timeout.count())
                              : std::string(ncclGetErrorString(result));
  // Asked before abort(), after which there is nobody left to ask.
  const char* detail = comm_ != nullptr ? ncclGetLastError(comm_) : "";
  Fault fault(code,
              fmt::format("{} failed on rank {} of {}: {} {}", call, rank_.value, size_.value, why, detail),
              "NCCL_DEBUG=INFO in the environment makes NCCL say more");
  abort();
  throw fault;
}

void NcclCommunicator::settle(ncclResult_t result, const char* call, ExitCode code) {
  const auto deadline = Time::now() + options_.timeout;
  Pause pause;
  while (result == ncclInProgress && Time::now() < deadline) {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
    result = asked == ncclSuccess ? state : asked;
    if (result == ncclInProgress) pause();
  }
  if (result != ncclSuccess) give_up(result, call, code);
}

void NcclCommunicator::all_reduce(ConstSpan send, MutableSpan receive, ReduceOp op) {
  check_all_reduce(send, receive);
  // Before the way out for nothing to do: a wrong dtype is a Bug at any count.
  const ncclDataType_t type = nccl_type_of(send.dtype);
  if (send.count == 0) return;
  settle(ncclAllReduce(send.data, receive.data, send.count, type, nccl_op_of(op), live(), stream()),
         "ncclAllReduce");
}

void NcclCommunicator::reduce_scatter(ConstSpan send, MutableSpan receive, ReduceOp op) {
  check_reduce_scatter(*this, send, receive);
  const ncclDataType_t type = nccl_type_of(send.dtype);
  if (receive.count == 0) return;
  settle(ncclReduceScatter(send.data, receive.data, receive.count, type, nccl_op_of(op), live(), stream()),
         "ncclReduceScatter");
}

void NcclCommunicator::all_gather(ConstSpan send, MutableSpan receive) {
  check_all_gather(*this, send, receive);
  // As bytes: what is only moved needs no type that NCCL knows.
  if (send.count == 0) return;
  settle(ncclAllGather(send.data, receive.data, send.bytes(), ncclUint8, live(), stream()), "ncclAllGather");
}

void NcclCommunicator::broadcast(MutableSpan data, Rank root) {
  check_broadcast(*this, data, root);
  if (data.count == 0) return;
  settle(ncclBroadcast(data.data, data.data, data.bytes(), ncclUint8, root.value, live(), stream()),
         "ncclBroadcast");
}

void NcclCommunicator::exchange(std::span<const Outgoing> sends, std::span<const Incoming> receives) {
  check_exchange(*this, sends, receives);
  const ncclComm_t comm = live();
  const cudaStream_t on = stream();
  ncclResult_t result = ncclGroupStart();
  const auto add = [&](ncclResult_t added) {
    if (result == ncclSuccess && added != ncclInProgress) result = added;
  };
  for (const Outgoing& message : sends)
    if (message.data.count != 0)
      add(ncclSend(message.data.data, message.data.bytes(), ncclUint8, message.peer.value, comm, on));
  for (const Incoming& message : receives)
    if (message.data.count != 0)
      add(ncclRecv(message.data.data, message.data.bytes(), ncclUint8, message.peer.value, comm, on));
  // Ended even after an error: an open group would swallow every later call.
  const ncclResult_t ended = ncclGroupEnd();
  settle(result == ncclSuccess ? ended : result, "an exchange by ncclSend and ncclRecv");
}

void NcclCommunicator::barrier() {
  const MutableSpan word{barrier_word_, 1, DType::kFloat32};
  all_reduce(word, word, ReduceOp::kMax);
  synchronize();
}

std::shared_ptr<const void> NcclCommunicator::register_memory(MutableSpan memory) {
  if (memory.bytes() == 0) return nullptr;
  void* handle = nullptr;
  if (ncclCommRegister(live(), memory.data, memory.bytes(), &handle) != ncclSuccess || handle == nullptr)
    return nullptr;
  // An aborted communicator has taken its registrations with it.
  return {handle, [this](const void* registered) {
            if (comm_ != nullptr) ncclCommDeregister(comm_, const_cast<void*>(registered));
          }};
}

void NcclCommunicator::synchronize() {
  const auto deadline = Time::now() + options_.timeout;
  const cudaStream_t on = stream();
  Pause pause;
  cudaError_t state = cudaStreamQuery(on);
  while (state == cudaErrorNotReady) {
    ncclResult_t error = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(live(), &error);
    if (asked != ncclSuccess) give_up(asked, "ncclCommGetAsyncError", ExitCode::kPeerLost);
    if (error != ncclSuccess && error != ncclInProgress) give_up(error, "a collective", ExitCode::kPeerLost);
    // A kernel that waits for a lost peer spins on the GPU for ever; only the abort in give_up() ends it.
    if (Time::now() >= deadline) give_up(ncclInProgress, "a collective", ExitCode::kPeerLost);
    pause();
    state = cudaStreamQuery(on);
  }
  try_cuda(state, "cudaStreamQuery");
}

void NcclCommunicator::abort() noexcept {
  if (comm_ == nullptr) return;
  const ncclComm_t comm = std::exchange(comm_, nullptr);
  try {
    // ncclCommAbort has been seen to hang, so it gets a thread that nobody has to wait for.
    std::packaged_task<void()> task([comm] { ncclCommAbort(comm); });
    const std::future<void> done = task.get_future();
    std::thread(std::move(task)).detach();
    done.wait_for(kAbortLimit);
  } catch (...) {
    // No thread to be had: the process is on its way out, and the driver cleans up after it.
  }
}

}  // namespace lockstep
