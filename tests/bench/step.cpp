// SPDX-License-Identifier: Apache-2.0
// bench_step: what a step of Lockstep costs beside a loop written by hand. docs/benchmarks.md.
#include <fmt/format.h>
#include <sched.h>
#include <torch/torch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "bare_loop.h"
#include "comm/loopback/loopback_world.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "lockstep/data/registry.h"
#include "lockstep/models/registry.h"
#include "support/temp_dir.h"
#include "train/device.h"
#include "train/trainer.h"
#include "turns.h"
#include "workload.h"

namespace lockstep::bench {
namespace {

constexpr int kWarmUp = 2;  // steps: the second has losses after an update to compare

struct Arguments {
  std::string only;
  int pairs = 0;  // 0: by the number of micro-batches
  int core = -1;
  double limit = 0;
  bool tiny = false;
};

// Pins this thread, and with it every thread that it will start, to one core.
int pin(int core) {
  cpu_set_t allowed;
  check(::sched_getaffinity(0, sizeof allowed, &allowed) == 0, "the affinity can be read");
  for (int i = 0; core < 0 && i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &allowed)) core = i;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  if (::sched_setaffinity(0, sizeof one, &one) != 0)
    throw Fault(ExitCode::kUsage, fmt::format("--core {}: not a core this process may use", core));
  return core;
}

std::string noise(std::size_t bytes) {
  std::string text(bytes, '\0');
  std::uint64_t state = 1;
  for (char& byte : text) byte = static_cast<char>((state = state * 6364136223846793005u + 1) >> 56);
  return text;
}

Workload gpt(const testing::TempDir& folder, const Arguments& arguments, int micro_batches) {
  Workload work;
  work.name = "gpt";
  work.model.type = "gpt";
  work.model.layers = arguments.tiny ? 1 : 6;
  work.model.heads = arguments.tiny ? 2 : 6;
  work.model.width = arguments.tiny ? 32 : 384;
  work.model.context = arguments.tiny ? 16 : 128;
  work.model.vocab = 256;
  work.micro_batch = arguments.tiny ? 2 : 4;
  work.micro_batches = micro_batches;
  work.data.type = "text";
  work.data.context = work.model.context;
  work.data.train.paths = {folder / "text"};
  testing::write_file(folder / "text", noise(256 << 10));
  return work;
}

Workload resnet18(const testing::TempDir& folder, const Arguments& arguments, int micro_batches) {
  Workload work;
  work.name = "resnet18";
  work.model.type = "resnet18";
  work.model.classes = 10;
  work.model.stem = "cifar";
  work.micro_batch = arguments.tiny ? 1 : 32;
  work.micro_batches = micro_batches;
  work.data.type = "cifar10";
  work.data.train.paths = {folder / "images.bin"};
  std::string records = noise(256 * 3073);
  for (std::size_t i = 0; i < 256; ++i) records[i * 3073] = static_cast<char>(i % 10);
  testing::write_file(folder / "images.bin", records);
  return work;
}

std::shared_ptr<Model> make_model(const Workload& work) {
  torch::manual_seed(kSeed);
  return ModelRegistry::with_builtin().make(work.model);
}

std::unique_ptr<Dataset> open_data(const Workload& work) {
  return DatasetRegistry::with_builtin().open(work.data, DataPart::kTrain);
}

TrainerOptions trainer_options(const Workload& work, const std::string& directory) {
  TrainerOptions options;
  options.run.dir = directory;
  options.run.seed = kSeed;
  options.train.steps = work.steps;
  options.train.global_batch = work.global_batch();
  options.train.micro_batch = work.micro_batch;
  options.optim.lr = kLearningRate;
  options.log.every_steps = 1;  // the most that metrics and journal can cost
  return options;
}

// The whole of Trainer::run() of a run directory of its own, as `lockstep train` drives it. after_step is
// called where a step ends for its user, on the training thread: nothing of Lockstep computes until it
// returns.
void run_lockstep(const Workload& work, const std::string& directory,
                  const std::function<void()>& after_step) {
  World world = world_of_one();
  const TrainerOptions options = trainer_options(work, directory);
  RunDirectory run(real_disk(), {options.run.name, options.run.dir, "", ""});
  TrainerParts parts{world, real_disk(), real_clock()};
  parts.run_directory = &run;
  parts.directory = directory;
  parts.run_id = run.run_id();
  parts.model = make_model(work);
  parts.train_data = open_data(work);
  Progress::Options progress;
  progress.global_batch = work.global_batch();
  progress.interval = std::chrono::seconds(0);
  parts.reporter = Reporter(Journal(real_disk(), real_clock(), directory, run.attempt()),
                            Progress(real_clock(), progress, [&](const std::string&) { after_step(); }), 1);
  Trainer(std::move(parts), options).run();
}

struct Summary {
  double median = 0;
  double low = 0;
  double high = 0;
};

Summary summary_of(std::vector<double> values) {
  check(!values.empty(), "something was measured");
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  const double median = values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {median, values.front(), values.back()};
}

std::vector<double> losses_in(const std::string& journal) {
  std::vector<double> losses;
  std::ifstream in(journal);
  for (std::string line; std::getline(in, line);)
    losses.push_back(nlohmann::json::parse(line).at("loss").get<double>());
  return losses;
}

// Both sides have trained the same thing when their losses agree, also after an update.
void require_same_losses(const std::vector<double>& lockstep, const std::vector<double>& bare) {
  for (int i = 0; i < kWarmUp; ++i)
    if (!(std::abs(lockstep.at(i) - bare.at(i)) <= 1e-3 * std::abs(bare.at(i))))
      throw Fault(ExitCode::kBug, fmt::format("step {}: loss {} of Lockstep, {} of the bare loop", i + 1,
                                              lockstep[i], bare[i]));
}

// Prints the case's line; returns its ratio.
double measure(Workload work, int pairs, const testing::TempDir& folder) {
  work.steps = kWarmUp + pairs;
  BareLoop bare(make_model(work), *open_data(work), work);
  std::vector<double> bare_losses;
  Turns turns(kWarmUp, pairs, [&] {
    // What Lockstep sets for repeatable bits is no cost of a bare loop.
    at::globalContext().setDeterministicAlgorithms(false, false);
    bare_losses.push_back(bare.step());
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  });
  const std::string directory = folder / fmt::format("{}-{}", work.name, work.micro_batches);
  run_lockstep(work, directory, [&] { turns.finished_a(); });
  require_same_losses(losses_in(directory + "/metrics.jsonl"), bare_losses);

  std::vector<double> ratios;
  for (int i = 0; i < pairs; ++i) ratios.push_back(turns.a_ms()[i] / turns.b_ms()[i]);
  const Summary ours = summary_of(turns.a_ms());
  const Summary theirs = summary_of(turns.b_ms());
  const Summary ratio = summary_of(ratios);
  fmt::print(
      "{:<9} {:>13}  {:>8.1f} ms ({:.1f}-{:.1f})  {:>8.1f} ms ({:.1f}-{:.1f})  {:.3f} ({:.3f}-{:.3f})  {}\n",
      work.name, work.micro_batches, ours.median, ours.low, ours.high, theirs.median, theirs.low, theirs.high,
      ratio.median, ratio.low, ratio.high, pairs);
  std::fflush(stdout);
  return ratio.median;
}

int run(const Arguments& arguments) {
  configure_log({.prefix = "", .file = "", .to_stderr = false});
  // A tiny run is not about time: on a busy machine one core may be slow to come by.
  const int core = arguments.tiny ? -1 : pin(arguments.core);
  prepare_device({.device = "cpu"}, 0);
  const testing::TempDir folder;
  fmt::print(
      "A step of Lockstep (world 1, a journal line a step) beside a bare LibTorch loop, in turns; 1 thread, "
      "core {}.\nMedian (smallest-largest).\n",
      core);
  fmt::print("model     micro-batches  Lockstep                  bare                      ratio  pairs\n");
  bool within = true;
  for (const auto& make : {gpt, resnet18}) {
    for (const int micro_batches : {1, 4}) {
      const Workload work = make(folder, arguments, micro_batches);
      if (!arguments.only.empty() && arguments.only != work.name) continue;
      const int pairs = arguments.pairs > 0 ? arguments.pairs : micro_batches == 1 ? 12 : 4;
      const double ratio = measure(work, pairs + pairs % 2, folder);
      within = within && (arguments.limit <= 0 || ratio <= arguments.limit);
    }
  }
  return within ? 0 : 1;
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  using lockstep::bench::Arguments;
  Arguments arguments;
  CLI::App app("Step time of Lockstep at world 1 beside a bare LibTorch loop");
  app.add_option("--model", arguments.only, "Only this one")->check(CLI::IsMember({"gpt", "resnet18"}));
  app.add_option("--pairs", arguments.pairs, "Steps of each side a case; made even")
      ->check(CLI::PositiveNumber);
  app.add_option("--core", arguments.core, "Core to run on; default: the first this process may use")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--limit", arguments.limit, "End with 1 when a ratio is above this")
      ->check(CLI::PositiveNumber);
  app.add_flag("--tiny", arguments.tiny, "Sizes that only show that it works");
  CLI11_PARSE(app, argc, argv);
  try {
    return lockstep::bench::run(arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_step: {}\n", error.what());
    return 70;
  }
}
