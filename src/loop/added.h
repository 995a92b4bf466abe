// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/state.h"
#include "exchange/param_groups.h"
#include "lockstep/loop/data_parallel.h"
#include "loop/session_impl.h"
#include "loop/stored_state.h"

namespace lockstep {

// One tensor of what was added, as it is now.
struct Kept {
  TensorKey key;
  torch::Tensor tensor;
  bool steady = false;  // changed only after Session::Impl::release_state()
  bool shared = true;   // every rank has the same, by a reduction
};

// Names of parameters, by their TensorImpl.
using ParameterNames = std::map<const void*, std::string>;

// Something that a loop wants in its checkpoints. Local.
class Added {
 public:
  explicit Added(std::string name) : name_(std::move(name)) {}
  virtual ~Added() = default;

  const std::string& name() const { return name_; }
  // What it is, the same on every rank and at every start.
  virtual std::string kind() const = 0;
  virtual std::vector<Kept> kept(const ParameterNames& names) const = 0;
  // Where a tensor of a checkpoint may be read to directly; undefined: nowhere.
  virtual torch::Tensor place(const TensorKey& /*key*/) const { return {}; }
  // Throws Fault (78) for what it needs and is not there.
  virtual void take(const StoredState& stored, const ParameterNames& names) = 0;

  // After take(): what of the program's own is otherwise than it was, a sentence each.
  virtual std::vector<std::string> differences(const StoredState& /*stored*/,
                                               const ParameterNames& /*names*/) const {
    return {};
  }

  virtual torch::nn::Module* module() const { return nullptr; }
  virtual std::vector<torch::Tensor> optimized() const { return {}; }
  // How a record's config names the optimizer; empty where it is none.
  virtual std::map<std::string, std::string> optimizer_config() const { return {}; }
  // … and which groups a record keeps of it.
  virtual std::vector<ParamGroup> param_groups(const ParameterNames& /*names*/) const { return {}; }

 private:
  std::string name_;
};

// Steps of parameters, and a name by which they are kept.
using StepCounts = std::vector<std::pair<std::string, double>>;

// PyTorch's name in a checkpoint of what `module_name` holds as `name`.
std::string name_in_checkpoint(const std::string& module_name, const std::string& name);

std::unique_ptr<Added> add_module(Session::Impl& session, const std::string& name, torch::nn::Module& module);
std::unique_ptr<Added> add_optimizer(Session::Impl& session, const std::string& name,
                                     torch::optim::Optimizer& optimizer);
std::unique_ptr<Added> add_scheduler(const std::string& name, torch::optim::LRScheduler& scheduler);
std::unique_ptr<Added> add_parallel(const std::string& name, DataParallel& parallel);
// Throws Fault (78) for one that no checkpoint holds: undefined, not dense, complex.
std::unique_ptr<Added> add_tensor(const std::string& name, torch::Tensor& tensor);
std::unique_ptr<Added> add_text(const std::string& name, std::string& text);
// A number as a tensor of no dimension, and back.
std::unique_ptr<Added> add_number(const std::string& name, const std::function<torch::Tensor()>& get,
                                  const std::function<void(const torch::Tensor&)>& set);

}  // namespace lockstep
