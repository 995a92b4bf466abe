// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cstdlib>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>

#include "checkpoint/reader.h"
#include "comm/loopback/loopback_world.h"
#include "support/temp_dir.h"
#include "train/points.h"
#include "train/trainer.h"

namespace lockstep {

// A linear model that a test lets do something on the way.
struct Probe : Model {
  using Watch = std::function<torch::Tensor(torch::Tensor)>;
  explicit Probe(Watch watch = {}) : watch_(std::move(watch)) {
    first = register_module("first", torch::nn::Linear(6, 4));
    second = register_module("second", torch::nn::Linear(4, 3));
    torch::NoGradGuard no_grad;
    for (torch::Tensor& parameter : parameters())
      parameter.copy_(torch::arange(parameter.numel()).reshape(parameter.sizes()).mul(0.01));
  }
  torch::Tensor forward(torch::Tensor input) override {
    return second(first(watch_ ? watch_(input) : input));
  }
  torch::nn::Linear first{nullptr}, second{nullptr};

 private:
  Watch watch_;
};

// A run of Probe on Points in a folder of its own: 12 samples a step in three micro-batches, 5 steps.
class SmallRun : public ::testing::Test {
 protected:
  SmallRun() {
    options_.train.steps = 5;
    options_.train.global_batch = 12;
    options_.train.micro_batch = 4;
    options_.optim.lr = 1e-2;
    options_.log.every_steps = 1;
    options_.train.check_model = false;  // tests count the calls of the model
    options_.checkpoint.async = false;
    options_.config = {{"model.type", "probe"}};
    options_.run.name = "small";
    options_.run.dir = folder_ / "run";
  }

  // One life, on one rank.
  Ending live() {
    World world = world_of_one();
    return live_in(world);
  }
  Ending live_in(World& world) {
    std::unique_ptr<RunDirectory> directory;
    if (world.is_root())
      directory = std::make_unique<RunDirectory>(
          real_disk(), RunDirectoryOptions{options_.run.name, options_.run.dir, "a: 1\n", ""});
    TrainerParts parts{world, *disk_, *clock_};
    parts.run_directory = directory.get();
    parts.directory = options_.run.dir;
    parts.run_id = "run";
    if (directory) parts.attempt = directory->attempt();
    parts.model = model_ ? model_() : std::make_shared<Probe>(watch_);
    parts.train_data = train_ ? train_() : std::make_unique<Points>(48);
    if (validates_) parts.valid_data = valid_ ? valid_() : std::make_unique<Points>(10);
    parts.admit = [](const TrainRecord&) {};
    if (directory)
      parts.reporter = Reporter(Journal(*disk_, *clock_, parts.directory, parts.attempt),
                                Progress(*clock_, {}, [](const std::string&) {}), options_.log.every_steps);
    return Trainer(std::move(parts), options_).run();
  }
  // The Fault that ends a life.
  Fault fault_of_life() {
    try {
      live();
    } catch (const Fault& fault) {
      return fault;
    }
    ADD_FAILURE() << "the run went through";
    return Fault(ExitCode::kDone, "");
  }

  TrainRecord record(int step) {
    return CheckpointReader::open(real_disk(), folder_ / fmt::format("run/ckpt/step-{:08}", step))->record();
  }
  bool has_checkpoint(int step) {
    return real_disk().info(folder_ / fmt::format("run/ckpt/step-{:08}", step)).has_value();
  }
  std::string best() { return testing::read_file(folder_ / "run/ckpt/best").substr(0, 13); }
  // Values of `field` in the events of that name.
  std::vector<std::string> events(const std::string& name, const std::string& field) {
    std::vector<std::string> values;
    std::istringstream stream(testing::read_file(folder_ / "run/events.jsonl"));
    for (std::string line; std::getline(stream, line);) {
      const auto json = nlohmann::json::parse(line);
      if (json["event"] == name)
        values.push_back(json[field].is_string() ? json[field].get<std::string>() : json[field].dump());
    }
    return values;
  }

  testing::TempDir folder_;
  TrainerOptions options_;
  Disk* disk_ = &real_disk();
  const Clock* clock_ = &real_clock();
  Probe::Watch watch_;
  std::function<std::shared_ptr<Model>()> model_;
  std::function<std::unique_ptr<Dataset>()> train_;
  std::function<std::unique_ptr<Dataset>()> valid_;
  bool validates_ = false;
};

}  // namespace lockstep
