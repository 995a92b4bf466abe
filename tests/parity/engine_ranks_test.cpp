// SPDX-License-Identifier: Apache-2.0
// The whole road from micro-batches on several ranks to an update, against one process of Python's torch with
// the whole batch.
#include <gtest/gtest.h>

#include "comm/domain/host_domain.h"
#include "parallel/gradient_exchange.h"
#include "parallel/micro_batch_pass.h"
#include "parallel/ownership.h"
#include "parity/cases.h"
#include "support/ranks_main.h"
#include "tensors/kept_tensors.h"

namespace lockstep {
namespace {

constexpr int kMicroBatches = 4;

// A training as a trainer has it.
class Engine {
 public:
  Engine(World& world, HostDomain* domain, const std::shared_ptr<Model>& model, const OptimOptions& options)
      : model_(model),
        arena_(*model),
        exchange_(make_exchange(world, arena_, {kMicroBatches, false, domain})),
        pass_({&arena_}, {run_of(world, kMicroBatches), kMicroBatches}),
        lr_(options.lr) {
    ParameterOffsets offsets;
    for (const ArenaEntry& entry : arena_.trainable()) offsets.push_back(entry.offset);
    optimizer_ = FlatOptimizer::make(options, arena_.trainable_values(), {offsets});
    has_common_state_ = exchange_->share_state(arena_, *optimizer_) != StateCopies::kOfEachRank;
    pass_.use(*exchange_);
  }

  bool has_common_state() const { return has_common_state_; }

  // The mean loss over the batch, before the update.
  double step(int step, const std::pair<torch::Tensor, torch::Tensor>& batch) {
    const std::int64_t samples = batch.first.size(0) / kMicroBatches;
    pass_.run(Step(step + 1), [&](int micro_batch) {
      const auto mine = [&](const torch::Tensor& all) {
        return all.narrow(0, micro_batch * samples, samples).contiguous();
      };
      return model_->loss(model_->forward(mine(batch.first)), mine(batch.second), LossKind::kAuto);
    });
    exchange_->reduce(pass_.sums());
    const double loss = exchange_->loss();
    exchange_->apply(optimizer_.get(), {lr_, 1});
    return loss;
  }

 private:
  std::shared_ptr<Model> model_;
  ModelArena arena_;
  std::unique_ptr<GradientExchange> exchange_;
  MicroBatchPass pass_;
  double lr_;
  std::unique_ptr<FlatOptimizer> optimizer_;
  bool has_common_state_ = false;
};

// Of the models without BatchNorm, whose statistics are of a micro-batch.
TEST(ParityOfTheEngine, TenFloat64StepsAreTorchsAtAnyNumberOfRanks) {
  at::set_num_threads(1);
  World& world = test_world();
  const auto domain = HostDomain::meet(world);
  ASSERT_NE(domain, nullptr);
  ASSERT_TRUE(keep_tensors());
  int compared = 0;
  for (const std::string name : {"mlp", "mlp_mse", "gpt"}) {
    const Case one{name, stored().at("cases").at(name)};
    for (const auto& [optimizer, losses] : one.spec.at("float64_losses").items())
      for (HostDomain* const memory : {domain.get(), static_cast<HostDomain*>(nullptr)}) {
        Engine engine(world, memory, one.model(torch::kFloat64),
                      optim_options(stored().at("optimizers").at(optimizer)));
        EXPECT_EQ(engine.has_common_state(), memory != nullptr);
        for (int step = 0; step < static_cast<int>(losses.size()); ++step, ++compared) {
          const double expected = losses[static_cast<std::size_t>(step)];
          ASSERT_NEAR(engine.step(step, one.batch(torch::kFloat64, step)), expected, 1e-9 * expected)
              << name << ", " << optimizer << ", step " << step + 1;
        }
      }
  }
  EXPECT_EQ(compared, 3 * 5 * 2 * 10);
  stop_keeping_tensors();
}

}  // namespace
}  // namespace lockstep
