// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/base/span.h"

namespace lockstep {

// One tensor's place in a flat buffer, in elements.
struct ArenaEntry {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;
  std::int64_t count = 0;
};

// Note [arena]: all trainable parameters, then all floating-point buffers of a model, then its frozen
// parameters, are views of one flat tensor (`values`). Gradients and the buffers a micro-batch leaves behind
// have the same places in flat tensors of contributions, which end behind them with the loss, with one number
// for each trainable parameter: how many micro-batches reached it, and one for each floating buffer: how many
// left other bits there than it had. So one exchange and one fused
// optimizer call serve a whole step, and what is frozen takes no part in either. Each view starts at a
// multiple of 64 bytes, one of 64 KiB and more on a page of 4096, and so do the buffers as a whole; the
// padding is zero and stays zero under every operation here.
class ModelArena {
 public:
  // Moves the parameters and floating buffers of `model` into one flat tensor: afterwards they are views of
  // it. The model must have its final dtype and device, and must not be moved later (module->to() would
  // replace the views). A tensor that is reachable under two names is laid out once, under its first name.
  // What has requires_grad now is trainable for good. Throws Fault (78) for a parameter or floating buffer of
  // another dtype, and when no parameter is trainable.
  explicit ModelArena(torch::nn::Module& model);

  // One for each dtype of `model`'s floating tensors, that of the first trainable parameter first; it also
  // has the integer buffers. An arena may then have no trainable parameter, and be there for its buffers.
  // Throws as the constructor, but for the dtypes.
  static std::vector<std::unique_ptr<ModelArena>> for_each_dtype(torch::nn::Module& model);

  // Moves everything to `values`, as long as values(). Without `writes_trainable` the trainable parameters
  // are what somebody else has written there, or will have.
  void move_to(const torch::Tensor& values, bool writes_trainable);

  // All, in the order of named_parameters(), by which torch.optim numbers them.
  const std::vector<ArenaEntry>& parameters() const { return parameters_; }
  // Those with requires_grad, and the others; both in that order too, and in that of their offsets.
  const std::vector<ArenaEntry>& trainable() const { return trainable_; }
  const std::vector<ArenaEntry>& frozen() const { return frozen_; }
  const std::vector<ArenaEntry>& buffers() const { return buffers_; }
  // Parameter tensors in the order of trainable().
  const std::vector<torch::Tensor>& trainable_tensors() const { return trainable_tensors_; }
  const std::vector<torch::Tensor>& frozen_tensors() const { return frozen_tensors_; }
  // Buffer tensors in the order of buffers(); views of values().
  const std::vector<torch::Tensor>& buffer_tensors() const { return buffer_tensors_; }
  // The buffers of an integer or bool dtype; they stay outside the arena.
  const std::vector<std::pair<std::string, torch::Tensor>>& integer_buffers() const { return integers_; }

  // Flat: trainable parameters, floating buffers, frozen parameters.
  const torch::Tensor& values() const { return values_; }
  std::int64_t trainable_count() const { return trainable_end_; }
  std::int64_t buffer_count() const { return buffer_end_ - trainable_end_; }
  // The parts of values() that trainable parameters and buffers fill.
  torch::Tensor trainable_values() const { return values_.narrow(0, 0, trainable_count()); }
  // As trainable_values(), for whoever may write there: the model's own memory may not let him.
  torch::Tensor writable_values() const { return writable_.defined() ? writable_ : trainable_values(); }
  void write_through(const torch::Tensor& writable) { writable_ = writable; }
  torch::Tensor buffer_values() const { return values_.narrow(0, trainable_count(), buffer_count()); }

  // The places in a contribution: gradients from 0, buffers from trainable_count(), the loss, the number of
  // micro-batches that reached each of trainable(), and of those that changed each of buffers().
  std::int64_t loss_offset() const { return buffer_end_; }
  std::int64_t reached_offset() const { return buffer_end_ + 1; }
  std::int64_t changed_offset() const { return reached_offset() + std::ssize(trainable_); }
  std::int64_t contribution_count() const { return changed_offset() + std::ssize(buffers_); }
  // Zeros; the floating dtype and the device of the model.
  torch::Tensor new_contribution() const;

  // The entry's view of a flat tensor that has this arena's layout.
  static torch::Tensor view(const torch::Tensor& flat, const ArenaEntry& entry);

  // Local. Throws Fault (78) naming a tensor that is no longer a view of values(), or whose requires_grad is
  // no longer what the arena was laid out for.
  void require_intact() const;

 private:
  // Of the tensors of one dtype alone.
  struct Share {
    torch::ScalarType dtype;
    bool first;
  };
  ModelArena(torch::nn::Module& model, const Share& share);
  void lay_out_all(torch::nn::Module& model);
  // Is it laid out here? Throws Fault (78) where all must be of one dtype, and it is not.
  bool is_mine(const std::string& name, const torch::Tensor& tensor) const;
  ArenaEntry lay_out(const std::string& name, const torch::Tensor& tensor);
  void lay_out_parameters(const torch::nn::Module& model, bool trainable);
  void lay_out_buffers(const torch::nn::Module& model);

  std::vector<ArenaEntry> parameters_;
  std::vector<ArenaEntry> trainable_;
  std::vector<ArenaEntry> frozen_;
  std::vector<ArenaEntry> buffers_;
  std::vector<torch::Tensor> trainable_tensors_;
  std::vector<torch::Tensor> frozen_tensors_;
  std::vector<torch::Tensor> buffer_tensors_;
  std::vector<std::pair<std::string, torch::Tensor>> integers_;
  torch::Tensor values_;
  torch::Tensor writable_;  // undefined: values_ themselves
  torch::TensorOptions options_;
  std::optional<Share> share_;
  std::int64_t end_ = 0;
  std::int64_t trainable_end_ = 0;
  std::int64_t buffer_end_ = 0;
};

}  // namespace lockstep
