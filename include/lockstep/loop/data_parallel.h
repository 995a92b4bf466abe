// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/loop/session.h"

namespace lockstep {

// One of the V micro-batches of a step. Which samples it has is the caller's to say, and a function of these
// two numbers alone: then a run is the same at any number of ranks.
struct MicroBatch {
  int index = 0;          // 0 to count - 1, over all ranks
  int count = 1;          // V
  std::int64_t step = 0;  // 0-based
};

// How the ranks of one host exchange gradients on a CPU; the bits are the same.
enum class HostMemory {
  kCommon,  // in memory that they have in common, where the system lets them
  kOwn,     // each has its own, and sends messages
};

// Do gradients leave for the other ranks during the backward pass of a rank's last micro-batch? Where they go
// as messages; the bits are the same.
enum class BackwardOverlap {
  kAuto,  // on a GPU, and on a CPU where each rank has a core more than threads
  kOn,
  kOff,
};

struct ParallelOptions {
  int micro_batches = 1;   // V: a step is the mean over so many, at any number of ranks up to V
  std::uint64_t seed = 0;  // with step and micro-batch, what LibTorch's default generator starts from
  bool fast = false;       // gradients are averaged by the backend: the same bits only at the same world size
  HostMemory host_memory = HostMemory::kCommon;
  BackwardOverlap overlap = BackwardOverlap::kAuto;
  double bucket_mb = 25;    // MiB of gradients that leave together
  bool check_model = true;  // compute a micro-batch of step 0 again and compare its bits
};

// Parameters that a built-in optimizer updates with numbers of their own; what is not given is the
// optimizer's.
struct ParameterGroup {
  std::vector<std::string> match;  // globs of names in named_parameters(): "*.bias"; any name of tied weights
  std::optional<double> lr;        // set_lr() changes it in proportion
  std::optional<double> weight_decay;
  std::optional<std::array<double, 2>> betas;
  std::optional<double> eps;
};

// The optimizers that update in one pass over all parameters; numbers and state are torch.optim's.
struct AdamW {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.01;
  double clip = 0;  // largest norm of all gradients together; 0: not clipped
  std::vector<ParameterGroup> groups = {};
};
struct Sgd {
  double lr = 1e-3;
  double momentum = 0;
  double weight_decay = 0;
  bool nesterov = false;
  double clip = 0;
  std::vector<ParameterGroup> groups = {};
};

// A piece of an evaluation: a sum, and over how many.
struct Measured {
  double sum = 0;
  double count = 0;
};

// Data-parallel training of any module in a loop of one's own: every rank has the module, computes its share
// of a step's micro-batches, and holds the same gradients afterwards, the same bits at any number of ranks
// (parallel/canonical_tree.h, Note [fixed-order sum]). Takes the place of PyTorch's DistributedDataParallel.
class DataParallel {
 public:
  // The mean loss over the samples of a micro-batch: one floating-point number that depends on the module. It
  // may be asked for a micro-batch more than once.
  using Loss = std::function<torch::Tensor(MicroBatch)>;

  // Collective, verb. Moves `module` to the session's device (its tensors stay the objects they are, so an
  // optimizer may be made before; a detach() or view of one stays behind, with a warning), lays its
  // parameters out in flat tensors, one for each dtype, and gives all ranks what rank 0 has. The session
  // outlives it. From here on the module is not moved, re-typed, frozen or thawed. Throws AgreedFault (78)
  // for more ranks than micro-batches, for a module that differs between ranks, for a parameter or
  // buffer that another DataParallel has, for tensors that cannot be kept as they are meant. A .grad of what
  // is frozen is emptied.
  DataParallel(Session& session, torch::nn::Module& module, const ParallelOptions& options = {});
  // Local. The parameters are as they are, each rank's own; LibTorch trains them on.
  ~DataParallel();
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  // Collective, verb. Forward and backward over this rank's micro-batches of `step` (0-based), and the mean
  // over all of them: .grad of every parameter is replaced by it (undefined where no micro-batch reached it),
  // floating buffers become the mean of what the micro-batches left (one that none of them changed keeps its
  // bits). .grad of other modules stays as it was.
  // A handle to a .grad that is kept beyond the step keeps its numbers; a view of it does not.
  // Returns the mean loss, and leaves LibTorch's default generator as it was. When it returns, whatever an
  // optimizer is about to change was copied for a save in flight. Throws Fault: 78 for a loss that is none or
  // a module that was moved; 70 for integer buffers that depend on data, and for buffers that are not the
  // same on all ranks when a step begins.
  double backward(std::int64_t step, const Loss& loss);

  // Collective, verb; once, before the first step: updates are made by an optimizer of Lockstep's own, by
  // update(). On a CPU the ranks of a host have one copy of parameters and optimizer state from here on
  // (ParallelOptions::host_memory): parameters are changed by update() alone, and from the first one on a
  // store by anybody else ends the job (78). Throws AgreedFault: 70 where
  // ranks give other numbers; 78 for options out of range, for parameters that are not float32 or float64,
  // for a group that matches none and a parameter of two.
  void optimize_with(const AdamW& optimizer);
  void optimize_with(const Sgd& optimizer);
  // Collective, verb. As backward(), and one update of the parameters in the same pass; .grad is left empty.
  // Bug without optimize_with().
  double update(std::int64_t step, const Loss& loss);
  // Local. From the next update() on, which throws AgreedFault (70) where ranks were given other rates.
  void set_lr(double lr);

  // Collective, verb. The means of what `measure` gives for each of `chunks` chunks, shared among the ranks:
  // the same numbers at any world size. The module is in eval mode and nothing is recorded for a backward
  // pass meanwhile; then each submodule has the mode it had. A chunk draws the same random numbers on any
  // rank. `measure` gives the same names for every chunk, and from its second one on changes no buffer of the
  // module (Fault 78).
  std::map<std::string, double> evaluate(
      std::int64_t chunks, const std::function<std::map<std::string, Measured>(std::int64_t chunk)>& measure);

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
