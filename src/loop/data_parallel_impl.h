// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/loop/data_parallel.h"
#include "loop/given_gradients.h"
#include "loop/session_impl.h"
#include "optim/optimizer.h"
#include "parallel/gradient_exchange.h"
#include "parallel/micro_batch_pass.h"

namespace lockstep {

struct DataParallel::Impl {
  // What belongs to one dtype of the module.
  struct Lane {
    std::unique_ptr<ModelArena> arena;
    std::unique_ptr<GradientExchange> exchange;
    std::unique_ptr<FlatOptimizer> optimizer;  // null: the user's own
  };

  Impl(Session& session, torch::nn::Module& module, const ParallelOptions& options);
  ~Impl();

  // What the verb `name` begins with: all lanes have reduced. The mean loss, of the most precise lane.
  // `numbers`: what else ranks must give alike.
  double reduce(const std::string& name, const std::string& numbers, std::int64_t step, const Loss& loss);
  // What was done to the module that must not be, since the last step.
  std::optional<Fault> moved() const;
  void make_optimizers(const OptimOptions& wanted, double clip_to);
  void update();

  Session::Impl& session;
  torch::nn::Module& module;
  std::shared_ptr<torch::nn::Module> alive;  // it, where somebody shares it: a holder may be given another
  std::vector<std::pair<std::string, const void*>> parameters;  // TensorImpl of each
  ParallelOptions options;
  std::vector<Lane> lanes;
  std::unique_ptr<MicroBatchPass> pass;
  GivenGradients given;
  std::optional<OptimOptions> built_in;
  std::map<std::string, int> group_of;  // of each parameter, by its first name
  double lr = 0;                        // of the next update
  bool is_sealed = false;
  double clip = 0;

 private:
  void lay_out();
  void lay_out_optimizers(const OptimOptions& wanted);
  void warn_of_aliases();
  void claim();
  void require_same_start(std::int64_t step) const;
  double mean_of(const torch::Tensor& losses) const;
};

}  // namespace lockstep
