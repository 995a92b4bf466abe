// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
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

// Note [arena]: all parameters, then all floating-point buffers of a model, are views of one flat tensor
// (`values`). Gradients and the buffers a micro-batch leaves behind have the same places in flat tensors of
// contributions, which end with one more element: the loss. So one exchange and one fused optimizer call
// serve a whole step. Each view starts at a multiple of 64 bytes, one of 64 KiB and more on a page of 4096;
// the padding is zero and stays zero under every operation here.
class ModelArena {
 public:
  // Moves the parameters and floating buffers of `model` into one flat tensor: afterwards they are views of
  // it. The model must have its final dtype and device, and must not be moved later (module->to() would
  // replace the views). A parameter that is reachable under two names is laid out once, under its first name.
  // Throws Fault (78) for a parameter or floating buffer of another dtype.
  explicit ModelArena(torch::nn::Module& model);

  const std::vector<ArenaEntry>& parameters() const { return parameters_; }
  const std::vector<ArenaEntry>& buffers() const { return buffers_; }
  // Parameter tensors in the order of parameters(); autograd leaves.
  const std::vector<torch::Tensor>& leaves() const { return leaves_; }
  // Buffer tensors in the order of buffers(); views of values().
  const std::vector<torch::Tensor>& buffer_tensors() const { return buffer_tensors_; }
  // The buffers of an integer or bool dtype; they stay outside the arena.
  const std::vector<std::pair<std::string, torch::Tensor>>& integer_buffers() const { return integers_; }

  // Flat [value_count()]: parameters, then floating buffers.
  const torch::Tensor& values() const { return values_; }
  std::int64_t value_count() const { return values_.numel(); }
  std::int64_t parameter_count() const { return parameter_elements_; }
  // The parts of values() that parameters and buffers fill.
  torch::Tensor parameter_values() const { return values_.narrow(0, 0, parameter_elements_); }
  torch::Tensor buffer_values() const;

  // The place of the loss in a contribution, and the length of one.
  std::int64_t loss_offset() const { return value_count(); }
  std::int64_t contribution_count() const { return value_count() + 1; }
  // Zeros; the floating dtype and the device of the model.
  torch::Tensor new_contribution() const;

  // The entry's view of a flat tensor that has this arena's layout.
  static torch::Tensor view(const torch::Tensor& flat, const ArenaEntry& entry);

 private:
  void lay_out(std::vector<ArenaEntry>& entries, const std::string& name, const torch::Tensor& tensor);
  void adopt();

  std::vector<ArenaEntry> parameters_;
  std::vector<ArenaEntry> buffers_;
  std::vector<torch::Tensor> leaves_;
  std::vector<torch::Tensor> buffer_tensors_;
  std::vector<std::pair<std::string, torch::Tensor>> integers_;
  torch::Tensor values_;
  torch::TensorOptions options_;
  std::int64_t end_ = 0;
  std::int64_t parameter_elements_ = 0;
};

// A contiguous tensor as the span collectives work on. Throws Bug for a dtype Lockstep does not move.
MutableSpan span_of(const torch::Tensor& tensor);
DType dtype_of(torch::ScalarType type);
torch::ScalarType scalar_type_of(DType dtype);

}  // namespace lockstep
