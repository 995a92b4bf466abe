// SPDX-License-Identifier: Apache-2.0
// bench_watch: what a watched step costs beside one that nobody watches. docs/benchmarks.md.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <vector>

#include "comm/launch/job.h"
#include "comm/watch/watchdog.h"
#include "lockstep/base/log.h"

namespace lockstep::bench {
namespace {

struct Arguments {
  int pairs = 150;  // of blocks
  int steps = 20;   // a block
  int passes = 12;  // over the parameters, a step
  double limit = 0;
};

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A step in its phases, as the trainer has them: passes over memory, an all-reduce, an update.
class Step {
 public:
  Step(World& world, int passes) : world_(world), passes_(passes) {}

  void run() {
    Watch& watch = world_.watch();
    { const PhaseScope data(watch, Phase::kData); }
    const double begun = now_s();
    {
      const PhaseScope compute(watch, Phase::kCompute);
      for (int i = 0; i < passes_; ++i)
        for (std::size_t k = 0; k < gradients_.size(); ++k) gradients_[k] = gradients_[k] * 0.5f + values_[k];
    }
    watch.worked(now_s() - begun);
    {
      const PhaseScope exchange(watch, Phase::kExchange);
      world_.device().all_reduce({gradients_.data(), gradients_.size(), DType::kFloat32},
                                 {sums_.data(), sums_.size(), DType::kFloat32}, ReduceOp::kSum);
    }
    {
      const PhaseScope optimizer(watch, Phase::kOptimizer);
      for (std::size_t k = 0; k < values_.size(); ++k) values_[k] -= 1e-6f * sums_[k];
    }
    const PhaseScope journal(watch, Phase::kJournal);
  }

 private:
  static constexpr std::size_t kParameters = 1 << 20;
  World& world_;
  int passes_;
  std::vector<float> values_ = std::vector<float>(kParameters, 1.0f);
  std::vector<float> gradients_ = std::vector<float>(kParameters, 1.0f);
  std::vector<float> sums_ = std::vector<float>(kParameters);
};

// Seconds of a block of steps; all ranks begin it together.
double block(World& world, Step& step, const Arguments& arguments, bool watched) {
  std::unique_ptr<Watchdog> watchdog;
  if (watched) {
    watchdog = std::make_unique<Watchdog>(WatchOptions());
    watchdog->join(world);
  }
  world.host().barrier();
  const double begun = now_s();
  for (int i = 0; i < arguments.steps; ++i) step.run();
  const double seconds = now_s() - begun;
  if (watchdog) watchdog->leaving();
  world.host().barrier();
  return seconds;
}

// Nanoseconds that the marks of one step take, which an unwatched step has too.
double marks_ns(World& world) {
  constexpr int kTimes = 100000;
  const double begun = now_s();
  for (int i = 0; i < kTimes; ++i) {
    for (int phase = 0; phase < 5; ++phase) const PhaseScope scope(world.watch(), Phase::kCompute);
    world.watch().collective_begins("all_reduce", 0);
    world.watch().collective_ends();
    world.watch().worked(1e-3);
  }
  return (now_s() - begun) / kTimes * 1e9;
}

int run(const Arguments& arguments) {
  configure_log({.prefix = "", .file = "", .to_stderr = false});
  World world = join_world({.launch = {.launched = std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr}});
  Step step(world, arguments.passes);
  block(world, step, arguments, /*watched=*/true);
  std::vector<double> ratios;
  std::vector<double> plain;
  for (int pair = 0; pair < arguments.pairs; ++pair) {
    const bool watched_first = pair % 2 == 0;
    const double first = block(world, step, arguments, watched_first);
    const double second = block(world, step, arguments, !watched_first);
    ratios.push_back(watched_first ? first / second : second / first);
    plain.push_back(watched_first ? second : first);
  }
  std::sort(ratios.begin(), ratios.end());
  std::sort(plain.begin(), plain.end());
  // 95 %: the ranks of the two values between which the true median lies (binomial, normal approximation).
  const auto n = static_cast<double>(ratios.size());
  const auto low = static_cast<std::size_t>(std::max(0.0, n / 2 - 0.98 * std::sqrt(n)));
  const std::size_t high = std::min(ratios.size() - 1, ratios.size() - low);
  const double median = ratios[ratios.size() / 2];
  const double step_s = plain[plain.size() / 2] / arguments.steps;
  if (world.is_root()) {
    fmt::print("{} ranks, {} blocks of {} steps of {:.2f} ms\n", world.size().value, 2 * ratios.size(),
               arguments.steps, 1e3 * step_s);
    fmt::print("watched / unwatched: {:.4f}, 95 % interval {:.4f} to {:.4f}\n", median, ratios[low],
               ratios[high]);
    fmt::print("marks of a step, in both: {:.0f} ns, {:.5f} of it\n", marks_ns(world),
               marks_ns(world) * 1e-9 / step_s);
  }
  world.host().barrier();
  return arguments.limit > 0 && median > arguments.limit ? 1 : 0;
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  using lockstep::bench::Arguments;
  Arguments arguments;
  CLI::App app("A step that a watchdog watches beside one that nobody watches; under mpirun");
  app.add_option("--pairs", arguments.pairs, "Pairs of blocks")->check(CLI::PositiveNumber);
  app.add_option("--steps", arguments.steps, "Steps a block")->check(CLI::PositiveNumber);
  app.add_option("--passes", arguments.passes, "Passes over the parameters a step: its length")
      ->check(CLI::PositiveNumber);
  app.add_option("--limit", arguments.limit, "End with 1 when the median ratio is above this")
      ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  int code = 70;
  try {
    code = lockstep::bench::run(arguments);
    lockstep::leave_job();
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_watch: {}\n", error.what());
    lockstep::abort_job(lockstep::ExitCode::kBug);
  }
  return code;
}
