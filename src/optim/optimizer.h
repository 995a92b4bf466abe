// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "optim/options.h"
#include "optim/parameter_groups.h"
#include "tensors/pending_mean.h"
#include "tensors/slice.h"

namespace lockstep {

// One kind of optimizer state under PyTorch's name, laid out like the parameters it belongs to: what the
// checkpoint stores.
struct OptimizerSlot {
  std::string name;    // exp_avg, exp_avg_sq or momentum_buffer
  torch::Tensor flat;  // the live tensor, not a copy
};

// Where each parameter begins in the flat tensor, in elements, ascending from 0. What lies between the end of
// one and the next (zeros) belongs to the first.
using ParameterOffsets = std::vector<std::int64_t>;

// The group of each parameter, as groups_of() gives them; empty: none is in one.
using ParameterGroups = std::vector<int>;

// The shape of each parameter; an optimizer of one's own asks for them.
using ParameterShapes = std::vector<std::vector<std::int64_t>>;

struct ParameterLayout {
  ParameterLayout(ParameterOffsets begin = {0}, ParameterGroups of = {}, ParameterShapes like = {})
      : offsets(std::move(begin)), groups(std::move(of)), shapes(std::move(like)) {}

  ParameterOffsets offsets;
  ParameterGroups groups;
  ParameterShapes shapes;
};

// sgd, adam, adamw, or one of the program's own, over one flat tensor: the same numbers as torch.optim over
// its views, one param_group for each of `options.groups` and one for the rest. On a CPU with kernels of our
// own (Note [one order]), on a device with ATen's fused ones, on the current stream.
// Every update is a pure function of parameters, gradients, slots, steps and lr, so what is restored goes on
// bit for bit. The tensors may be padded with zeros, which stay zeros. Local; not thread-safe but for
// update_part().
class FlatOptimizer {
 public:
  // `parameters`: 1-D, contiguous, float32 or float64; the optimizer shares its memory and updates it in
  // place. Slots start as zeros. Throws Fault (78) for options that are out of range or have no effect on
  // this type.
  static std::unique_ptr<FlatOptimizer> make(const OptimOptions& options, const torch::Tensor& parameters,
                                             ParameterLayout layout = {});
  virtual ~FlatOptimizer() = default;

  // One update of all parameters. `gradients` must match them in size, dtype and device; they are only read.
  // `lr` is that of the parameters without a group; those of a group follow it (lr_of_group).
  void update(const torch::Tensor& gradients, double lr);
  // The same of those parameters alone where `reached` is not 0. The others are skipped as torch.optim skips
  // grad == None: no decay, no slot changes, no step is counted.
  void update(const torch::Tensor& gradients, double lr, const std::vector<char>& reached);

  // Can the same be done in parts? By sgd, adam and adamw on a CPU.
  virtual bool updates_in_parts() const { return false; }
  // Begins an update: counts it and fixes what is the same for all elements; each gradient is multiplied by
  // `scale` first. Throws Bug unless updates_in_parts().
  void begin_update(double lr, const std::vector<char>& reached, double scale = 1);
  // Updates `count` elements from `first` on; `gradients` are theirs alone, of the parameters' dtype (float
  // or double), and are only read. Once each element was in a part, in any cut and order, the bits are those
  // of update(). Threads may update parts that do not overlap at once. No tensor is made, nothing is
  // allocated.
  template <class Number>
  void update_part(std::int64_t first, std::int64_t count, const PendingMean<Number>& gradients);

  // Does each element's update look at nothing but that element? Not that of a program's own.
  virtual bool is_elementwise() const { return true; }
  // From here on these elements alone are updated (ascending), and the slots are theirs, one after the other:
  // as long as all of them, zeros. Throws Bug unless is_elementwise().
  void keep_parts(std::vector<Slice> parts);

  // From here on the parameters lie in `parameters`, and the slots in `slots`, in their order: of the same
  // size as before, with the same values.
  void move_to(const torch::Tensor& parameters, const std::vector<torch::Tensor>& slots);

  // In a fixed order; empty for sgd without momentum.
  virtual std::vector<OptimizerSlot> slots() const = 0;

  // Updates of each parameter so far: torch.optim's `step`. With the slots it is the whole state.
  const std::vector<double>& steps() const { return steps_; }
  void set_steps(std::vector<double> steps);

 protected:
  FlatOptimizer(const OptimOptions& options, const torch::Tensor& parameters, ParameterLayout layout);

  // A stretch of the flat tensors of which every element is updated with the same numbers.
  struct Run {
    std::int64_t first = 0;
    std::int64_t count = 0;
    std::int64_t slot_first = 0;  // where it begins in the slots
    std::size_t parameter = 0;    // the first
    double steps = 0;             // of its parameters, this update counted
    double lr = 0;
    double scale = 1;
    const OptimOptions& options;  // of its group

    torch::Tensor of(const torch::Tensor& flat) const { return flat.narrow(0, first, count); }
    torch::Tensor of_slot(const torch::Tensor& flat) const { return flat.narrow(0, slot_first, count); }
  };
  // A whole run; called where there are no parts.
  virtual void apply(const Run& run, const torch::Tensor& gradients) = 0;
  // Neighbours of a group whose step counts (this update counted) have one key are of one run.
  virtual double run_key(double steps) const = 0;

  // Some elements of the update's run number `run`.
  template <class Number>
  struct Part {
    std::size_t run = 0;
    std::int64_t first = 0;
    std::int64_t slot_first = 0;
    std::int64_t count = 0;
    PendingMean<Number> gradients;
  };
  // Once an update, where there are parts: what its kernels are told of each run.
  virtual void prepare(const std::vector<Run>& /*runs*/) {}
  virtual void apply_part(const Part<float>& /*part*/) {}
  virtual void apply_part(const Part<double>& /*part*/) {}

  const ParameterLayout& layout() const { return layout_; }
  // Zeros that lie in their pages as the parameters do.
  torch::Tensor new_slot() const;
  template <class Number>
  static Number* elements(const torch::Tensor& flat, std::int64_t first) {
    return static_cast<Number*>(flat.data_ptr()) + first;
  }

  torch::Tensor parameters_;

 private:
  void find_runs(double lr, const std::vector<char>& reached, double scale);
  template <class Number>
  void update_by_parts(const torch::Tensor& gradients);
  void cut_runs();
  std::int64_t end_of(std::size_t parameter) const;
  const OptimOptions& options_of(int group) const;

  std::vector<OptimOptions> options_;  // without a group, then those of each
  ParameterLayout layout_;
  std::vector<double> steps_;
  std::vector<Slice> parts_;  // empty: all of it
  std::vector<Run> runs_;     // of the update that was begun last, ascending
};

}  // namespace lockstep
