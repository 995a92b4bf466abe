// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>
#include <nccl.h>

#include <string_view>

#include "comm/device.h"
#include "lockstep/base/error.h"
#include "lockstep/comm/communicator.h"

namespace lockstep {

// Memory of the current CUDA device over NCCL. Calls enqueue on the stream that options.current_stream names
// and return; what they wrote may be used on that stream, or after synchronize(). int16 is moved but not
// reduced (NCCL has none of it: Bug), and min and max of NaN are NCCL's own.
//
// Note [a nonblocking NCCL]: NCCL has no timeout and does not notice a lost peer. So the communicator is made
// with blocking=0, every call that is still in progress is polled with a deadline, and the way out is
// ncclCommAbort, which needs no peer.
class NcclCommunicator : public Communicator {
 public:
  // Collective. `id` is the same on all ranks; the device is set. Throws Fault (69) when NCCL does not start
  // in time.
  NcclCommunicator(const ncclUniqueId& id, Rank rank, WorldSize size, DeviceCommOptions options);
  // Local. Aborts what is still enqueued: synchronize() first.
  ~NcclCommunicator() override;
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  Rank rank() const override { return rank_; }
  WorldSize size() const override { return size_; }
  std::string_view backend() const override { return "nccl"; }

  void all_reduce(ConstSpan send, MutableSpan receive, ReduceOp op) override;
  void reduce_scatter(ConstSpan send, MutableSpan receive, ReduceOp op) override;
  void all_gather(ConstSpan send, MutableSpan receive) override;
  void broadcast(MutableSpan data, Rank root) override;
  void exchange(std::span<const Outgoing> sends, std::span<const Incoming> receives) override;
  // Also waits for what was enqueued before.
  void barrier() override;
  // Memory that NCCL does not take is moved as any.
  std::shared_ptr<const void> register_memory(MutableSpan memory) override;
  void synchronize() override;
  void abort() noexcept override;

 private:
  cudaStream_t stream() const;
  // The communicator, unless it was aborted: then Fault (76).
  ncclComm_t live() const;
  // Waits until what `call` began is enqueued; anything but success in time aborts and throws Fault (`code`).
  void settle(ncclResult_t result, const char* call, ExitCode code = ExitCode::kPeerLost);
  [[noreturn]] void give_up(ncclResult_t result, const char* call, ExitCode code);

  Rank rank_;
  WorldSize size_;
  DeviceCommOptions options_;
  ncclComm_t comm_ = nullptr;
  void* barrier_word_ = nullptr;  // four bytes of device memory
};

}  // namespace lockstep
