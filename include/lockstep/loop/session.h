// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "lockstep/comm/world.h"

namespace lockstep {

// How a job of one's own begins.
struct JobOptions {
  std::string device = "auto";   // auto|cpu|cuda: one GPU a rank
  int threads = 1;               // of LibTorch, in each rank
  std::string backend = "auto";  // what moves gradients: auto|mpi|nccl
  double watch_limit_s =
      0;                    // how long one phase of the loop may take before it counts as hanging; 0: learned
  bool keep_memory = true;  // on a CPU: what a step frees stays mapped for the next
};

// A job of one's own: its ranks, and what they do together. Made by run_job(); one a process.
//
// Note [verbs]: every Collective function of a Session, DataParallel and Checkpoints is a verb. All ranks say
// the same verbs in the same order; each begins by agreeing on verb and step. A rank that left one out, or is
// at another step, ends the job with 70 and who said what, instead of a hang.
class Session {
 public:
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Local.
  int rank() const;
  int world_size() const;
  int local_rank() const;  // among the ranks of this host
  bool is_root() const { return rank() == 0; }
  // Where this rank computes: put modules and batches there.
  torch::Device device() const;

  // Collective, verbs. Tensors are dense, contiguous, of one shape and dtype on all ranks (Bug).
  void barrier();
  // In place: what rank 0 has.
  void broadcast(torch::Tensor tensor);
  // In place: the sum, the same bits on every rank, but other bits at another world size. For a training step
  // use DataParallel.
  void all_reduce_sum(torch::Tensor tensor);
  std::int64_t agree_max(std::int64_t mine);
  std::string agree_on_root(const std::string& mine);
  // Throws AgreedFault (70) naming `what` and the ranks whose bytes differ from rank 0's.
  void agree_same(const std::string& what, const std::string& mine);

  // Below the verbs: agreement and collectives as the trainer has them, and the phases of the watchdog.
  World& world();

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit Session(std::unique_ptr<Impl> impl);
  friend int run_job(const std::function<void(Session&)>& body, const JobOptions& options);
  friend std::unique_ptr<Session> session_over(World world, torch::Device device);
  std::unique_ptr<Impl> impl_;
};

// Collective; call it first in main() and return what it returns. Under mpirun or srun the ranks they
// started, else a world of one without MPI. Runs `body` on every rank and catches what it throws. The result
// is the exit code: 0 when `body` returned, 75 when it returned after a stop (Checkpoints::after), else as
// docs/exit-codes.md says. Under `lockstep run`, and with slurm/train.sbatch, the job is started again like
// any other.
int run_job(const std::function<void(Session&)>& body, const JobOptions& options = {});

}  // namespace lockstep
