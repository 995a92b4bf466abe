// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "loop/added.h"
#include "loop/resume.h"
#include "loop/saved_state.h"

namespace lockstep {

// What was added to a loop's checkpoints, as whoever saves and restores it sees it. Local.
class LoopState : public SavedState, public ResumeTarget {
 public:
  explicit LoopState(Session::Impl& session) : session_(session) {}

  // Throws Fault (78) for a name that is taken.
  void add(std::unique_ptr<Added> added);
  // What was added and what it is, one line each: the same on every rank.
  std::string description() const;
  // Throws Fault (78) for an optimizer's parameter that no module has, that two optimizers have, or one
  // twice.
  void require_complete() const;

  bool refresh() override;
  torch::Device device() const override { return session_.device; }
  const std::vector<Persisted>& persisted() const override { return persisted_; }
  std::vector<StateTensor> host_tensors() override;
  std::uint64_t bytes() override;
  void require_alike(World& world) const override;
  std::vector<torch::Tensor> replicated() const override { return {}; }
  std::string digest_of_rest() const override;
  void note_versions() override;
  std::string changed_since() const override;

  // Of a record.
  std::vector<std::string> parameter_order() const;
  std::vector<ParamGroup> param_groups() const;
  std::vector<std::string> frozen() const;
  std::vector<std::string> eval_modules() const;
  std::map<std::string, std::string> optimizer_config() const;

  std::vector<MutableStateTensor> places(const CheckpointReader& checkpoint) override;
  void take_over(TrainRecord& record) override;

 private:
  void warn_of_differences(const ParameterNames& names) const;

  Session::Impl& session_;
  std::vector<std::unique_ptr<Added>> added_;
  std::set<std::string> names_;
  std::vector<Persisted> persisted_;
  std::vector<std::uint32_t> versions_;            // of persisted_, where they count
  std::map<std::string, torch::Tensor> restored_;  // by path
};

}  // namespace lockstep
