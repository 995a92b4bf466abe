// SPDX-License-Identifier: Apache-2.0
#include "loop/checkpointer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>

#include "checkpoint/reader.h"
#include "comm/agree.h"
#include "comm/loopback/loopback_world.h"
#include "lockstep/base/error.h"
#include "lockstep/models/registry.h"
#include "parallel/step_mean.h"
#include "support/faulty_disk.h"
#include "support/forwarding_disk.h"
#include "support/temp_dir.h"
#include "train/training_state.h"

namespace lockstep {
namespace {

constexpr double kRate = 1e-2;

// A disk on which shards cannot be created until the gate is opened.
class GatedDisk : public ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;

  std::unique_ptr<WritableFile> create(const std::string& path) override {
    wait_for_gate(path);
    return inner_.create(path);
  }
  std::unique_ptr<WritableFile> create_direct(const std::string& path) override {
    wait_for_gate(path);
    return inner_.create_direct(path);
  }
  void open_gate() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }

 private:
  void wait_for_gate(const std::string& path) {
    if (!path.ends_with(".h5")) return;
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [&] { return open_; });
  }

  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

// Small, with everything a state can have: a tensor larger than a digest leaf, floating and integer buffers.
class Small : public Model {
 public:
  Small() {
    linear_ = register_module("linear", torch::nn::Linear(300, 700));
    norm_ = register_module("norm", torch::nn::BatchNorm1d(700));
    torch::NoGradGuard no_grad;
    // Not from the generator, which the ranks of a test share.
    for (torch::Tensor& parameter : parameters())
      parameter.copy_(torch::arange(parameter.numel()).reshape(parameter.sizes()).mul(1e-5));
  }
  torch::Tensor forward(torch::Tensor input) override { return norm_(linear_(input)); }

 private:
  torch::nn::Linear linear_{nullptr};
  torch::nn::BatchNorm1d norm_{nullptr};
};

std::unique_ptr<TrainingState> make_state() {
  return std::make_unique<TrainingState>(std::make_shared<Small>(), OptimOptions{}, ComputeDevice{});
}

void update(TrainingState& state) {
  const torch::Tensor mean = torch::full_like(state.arena().new_contribution(), 0.01);
  StepMean(state.arena(), mean).apply(&state.optimizer(), {kRate});
}

// What every rank of a job has.
struct Rank1 {
  std::unique_ptr<TrainingState> state;
  CheckpointStore store;
  Reporter reporter;
  Checkpointer checkpointer;

  Rank1(World& world, Disk& disk, const std::string& folder, const CheckpointOptions& options)
      : state(make_state()),
        store(folder, options, disk, [](const auto&, const auto&) {}),
        checkpointer({world, *state, store, reporter}, options) {
    checkpointer.prepare();
  }
};

TrainRecord record_of(int step) {
  TrainRecord record;
  record.run_id = "run";
  record.step = Step(step);
  return record;
}

CheckpointOptions options(const std::string& layout, bool async = true) {
  CheckpointOptions options;
  options.layout = from_word<SaveLayout>(layout).value();
  options.async = async;
  options.keep_last = 100;
  return options;
}

std::unique_ptr<CheckpointReader> verified(const std::string& folder, int step) {
  auto reader = CheckpointReader::open(real_disk(), folder + "/" + fmt::format("step-{:08}", step));
  reader->verify();
  return reader;
}

class CheckpointerAt : public ::testing::TestWithParam<std::tuple<std::string, int>> {
 protected:
  std::string layout() const { return std::get<0>(GetParam()); }
  WorldSize world() const { return WorldSize(std::get<1>(GetParam())); }
  // The hash of a state that nobody disturbs.
  Digest undisturbed(int updates) {
    Digest hash;
    run_loopback(WorldSize(1), [&](World& one) {
      Rank1 rank(one, real_disk(), temp_ / "reference", options("consolidated", /*async=*/false));
      for (int i = 0; i < updates; ++i) update(*rank.state);
      rank.checkpointer.save(record_of(1), SaveReason::kAsked);
      hash = rank.checkpointer.last_hash();
    });
    return hash;
  }
  testing::TempDir temp_;
};

TEST_P(CheckpointerAt, CommitsTheStateOfItsStepWhileTrainingGoesOn) {
  const Digest expected = undisturbed(2);
  GatedDisk disk(real_disk());
  run_loopback(world(), [&](World& world) {
    Rank1 rank(world, disk, temp_ / "ckpt", options(layout()));
    update(*rank.state);
    update(*rank.state);
    rank.checkpointer.save(record_of(1), SaveReason::kInterval);
    for (int step = 0; step < 3; ++step) {
      // What a forward of BatchNorm does to the buffers while the copy is under way.
      torch::NoGradGuard no_grad;
      rank.state->arena().buffer_values().add_(1);
      for (const auto& [name, tensor] : rank.state->arena().integer_buffers()) tensor.add_(1);
      rank.checkpointer.release_state();
      update(*rank.state);
      rank.checkpointer.poll();
      EXPECT_EQ(rank.checkpointer.last_step(), Step(0)) << "nothing can be committed behind the gate";
    }
    disk.open_gate();
    rank.checkpointer.require(Step(1));
    EXPECT_EQ(rank.checkpointer.last_step(), Step(1));
  });
  const auto reader = verified(temp_ / "ckpt", 1);
  EXPECT_EQ(reader->state_hash(), expected);
  EXPECT_EQ(reader->manifest().layout, layout());
}

TEST_P(CheckpointerAt, PollsUntilTheSaveIsCommitted) {
  run_loopback(world(), [&](World& world) {
    Rank1 rank(world, real_disk(), temp_ / "ckpt", options(layout()));
    rank.checkpointer.save(record_of(1), SaveReason::kInterval);
    while (rank.checkpointer.last_step() == Step(0)) rank.checkpointer.poll();
    rank.checkpointer.poll();
  });
  verified(temp_ / "ckpt", 1);
}

TEST_P(CheckpointerAt, WaitsForTheSaveBefore) {
  run_loopback(world(), [&](World& world) {
    Rank1 rank(world, real_disk(), temp_ / "ckpt", options(layout()));
    for (int step = 1; step <= 4; ++step) {
      rank.checkpointer.release_state();
      update(*rank.state);
      rank.checkpointer.save(record_of(step), SaveReason::kInterval);
    }
    rank.checkpointer.require(Step(4));
  });
  for (int step = 1; step <= 4; ++step) verified(temp_ / "ckpt", step);
}

TEST_P(CheckpointerAt, SkipsWhatIsDueByItsNumberAloneWhenAskedTo) {
  GatedDisk disk(real_disk());
  CheckpointOptions skipping = options(layout());
  skipping.on_busy = OnBusy::kSkip;
  run_loopback(world(), [&](World& world) {
    Rank1 rank(world, disk, temp_ / "ckpt", skipping);
    rank.checkpointer.save(record_of(1), SaveReason::kInterval);
    rank.checkpointer.save(record_of(2), SaveReason::kInterval);
    disk.open_gate();
    rank.checkpointer.save(record_of(3), SaveReason::kAsked);
    rank.checkpointer.require(Step(3));
  });
  verified(temp_ / "ckpt", 1);
  EXPECT_FALSE(real_disk().info(temp_ / "ckpt/step-00000002"));
  verified(temp_ / "ckpt", 3);
}

TEST_P(CheckpointerAt, BringsAFaultOfTheWriterToTheTrainingThread) {
  FaultyDisk disk(real_disk());
  run_loopback(world(), [&](World& world) {
    Rank1 rank(world, disk, temp_ / "ckpt", options(layout()));
    rank.checkpointer.save(record_of(1), SaveReason::kInterval);
    rank.checkpointer.require(Step(1));
    world.host().barrier();
    if (world.is_root()) disk.arm({.fail_at = 1, .for_ever = true, .error = ENOSPC, .only = "sync"});
    world.host().barrier();
    rank.checkpointer.save(record_of(2), SaveReason::kInterval);
    ExitCode code = ExitCode::kDone;
    try {
      rank.checkpointer.drain();
    } catch (const AgreedFault& fault) {
      code = fault.code();
    }
    EXPECT_EQ(code, ExitCode::kStorage);
    EXPECT_EQ(rank.checkpointer.last_step(), Step(1));
  });
  EXPECT_GT(disk.injections(), 0);
  verified(temp_ / "ckpt", 1);
  EXPECT_FALSE(real_disk().info(temp_ / "ckpt/.staging-step-00000002"));
}

TEST_P(CheckpointerAt, GoesOnAfterAFailureWhenAskedToAndStopsAtTheThird) {
  FaultyDisk disk(real_disk());
  CheckpointOptions patient = options(layout());
  patient.on_error = OnError::kContinue;
  run_loopback(world(), [&](World& world) {
    Rank1 rank(world, disk, temp_ / "ckpt", patient);
    const auto arm = [&](const DiskFaultPlan& plan) {
      world.host().barrier();
      if (world.is_root()) disk.arm(plan);
      world.host().barrier();
    };
    const DiskFaultPlan full{.fail_at = 1, .for_ever = true, .error = ENOSPC, .only = "write"};
    const auto fails = [&](int step) {
      rank.checkpointer.save(record_of(step), SaveReason::kInterval);
      rank.checkpointer.drain();
    };
    arm(full);
    fails(1);
    fails(2);
    arm({});
    rank.checkpointer.save(record_of(3), SaveReason::kInterval);
    rank.checkpointer.require(Step(3));
    arm(full);
    fails(4);
    fails(5);
    EXPECT_THROW(fails(6), AgreedFault);
    EXPECT_THROW(rank.checkpointer.require(Step(6)), AgreedFault);
  });
  verified(temp_ / "ckpt", 3);
}

INSTANTIATE_TEST_SUITE_P(Layouts, CheckpointerAt,
                         ::testing::Combine(::testing::Values("consolidated", "sharded"),
                                            ::testing::Values(1, 2, 3)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "At" + std::to_string(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace lockstep
