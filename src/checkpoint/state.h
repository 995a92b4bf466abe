// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "lockstep/base/hash.h"
#include "lockstep/base/span.h"
#include "lockstep/base/tensor_spec.h"
#include "lockstep/base/units.h"

namespace lockstep {

// Where a tensor belongs: /model/<name>, /optimizer/<slot>/<name> in PyTorch's slot names (exp_avg,
// exp_avg_sq, momentum_buffer, step), or /extra/<section>/<name>, what other parts of a training keep.
struct TensorKey {
  std::string slot;          // of the optimizer
  std::string name;          // in the model PyTorch's named_parameters / named_buffers name
  std::string section = {};  // of the open part; then there is no slot

  bool in_extra() const { return !section.empty(); }
  bool in_optimizer() const { return !slot.empty(); }
  bool in_model() const { return !in_extra() && !in_optimizer(); }  // parameters and buffers
  // "model", "optimizer/<slot>" or "extra/<section>".
  std::string group() const {
    return in_extra() ? "extra/" + section : in_optimizer() ? "optimizer/" + slot : "model";
  }
  // The group and the name: unique, and the order in which tensors are sorted.
  std::string path() const { return group() + "/" + name; }
};

// What a tensor of a state is.
struct StateSpec : TensorType {
  TensorKey key;

  StateSpec() = default;
  StateSpec(TensorKey of, TensorType type) : TensorType(std::move(type)), key(std::move(of)) {}
  StateSpec(TensorKey of, DType dtype, Shape shape) : StateSpec(std::move(of), {dtype, std::move(shape)}) {}
};

// The same with its bytes, in host memory that somebody else owns.
template <class Byte>
struct StateBytes : StateSpec {
  std::span<Byte> bytes;
};
using StateTensor = StateBytes<const std::byte>;
using MutableStateTensor = StateBytes<std::byte>;

// All of a checkpoint but its tensors. Goes into the manifest and, as attributes, into /train of the HDF5
// file.
struct TrainRecord {
  std::string run_id;
  Step step{0};
  Epoch epoch{0};  // the epoch of the last step
  // Samples of that epoch's order that are trained on after this step, and in all once the epoch is over:
  // where the two are equal the next step begins the next epoch, else it goes on at epoch_offset.
  std::int64_t epoch_offset = 0;
  std::int64_t epoch_samples = 0;
  std::int64_t steps_per_epoch = 0;  // of a whole epoch at this run's global batch
  double loss = 0;                   // global-batch mean of the last step
  double lr = 0;                     // used by the last step
  std::uint64_t seed = 0;
  std::int64_t micro_batches = 1;  // V
  WorldSize world{1};              // that wrote it
  Attempt attempt{1};
  std::map<std::string, double> metrics;  // of an evaluation at this step: valid_loss, …
  std::map<std::string, double> best;  // best value so far of keep_best.metric, and "step" it was reached at
  std::map<std::string, std::string> config;  // flat effective config: dotted key to printed value
  std::map<std::string, std::string>
      environment;              // versions, device, threads: recorded, compared, never refused
  std::string metadata = "{}";  // run.metadata, JSON text
  // Names in the order of named_parameters(), by which torch.optim numbers them; empty in old checkpoints.
  std::vector<std::string> parameter_order = {};
  std::vector<std::string> eval_modules = {};  // named_modules() that are in eval mode; the root is ""
  std::vector<std::string> frozen = {};        // parameters without requires_grad
  // What other parts of a training keep beside the tensors of `extra/`: a JSON object whose members a reader
  // that does not know them passes over.
  std::string extra = "{}";

  bool epoch_is_over() const { return epoch_offset >= epoch_samples; }
};

struct CheckpointState {
  TrainRecord record;
  std::vector<StateTensor> tensors;
};

}  // namespace lockstep
