// SPDX-License-Identifier: Apache-2.0
// bench_bandwidth: how fast the communicator that moves gradients sums them over all ranks.
// docs/benchmarks.md.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bandwidth_memory.h"
#include "base/median.h"
#include "comm/launch/job.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "lockstep/comm/world.h"

namespace lockstep::bench {
namespace {

struct Arguments {
  bool cuda = false;
  std::vector<std::size_t> mib = {25, 256, 1024};
  int rounds = 9;
  int calls = 20;  // a round
  std::string json;
};

std::shared_ptr<void> zeros(std::size_t bytes, bool cuda) {
  if (cuda) return zeros_on_device(bytes);
  const std::shared_ptr<void> memory(std::malloc(bytes), std::free);
  return std::memset(memory.get(), 0, bytes), memory;
}

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Of each round the milliseconds of one all-reduce in place, on the rank that waited longest.
std::vector<double> times(World& world, std::size_t bytes, const Arguments& arguments) {
  const std::shared_ptr<void> memory = zeros(bytes, arguments.cuda);
  const MutableSpan values{memory.get(), bytes / sizeof(float), DType::kFloat32};
  // As the gradients of a training are, where NCCL takes it.
  const std::shared_ptr<const void> registered = world.device().register_memory(values);
  std::vector<double> all;
  for (int round = -1; round < arguments.rounds; ++round) {  // the first warms up
    world.device().barrier();
    const double begun = now_ms();
    for (int call = 0; call < arguments.calls; ++call)
      world.device().all_reduce(values, values, ReduceOp::kSum);
    world.device().synchronize();
    double spent = (now_ms() - begun) / arguments.calls;
    const MutableSpan slowest{&spent, 1, DType::kFloat64};
    world.host().all_reduce(slowest, slowest, ReduceOp::kMax);
    if (round >= 0) all.push_back(spent);
  }
  return all;
}

// nccl-tests' words: algbw is what a rank has summed in a second, busbw what its link has carried of that,
// which is to be compared with the hardware whatever the number of ranks.
nlohmann::json print(std::size_t mib, const std::vector<double>& ms, int ranks) {
  const double middle = median(ms);
  const double algbw = static_cast<double>(mib << 20) / middle / 1e6;
  const double busbw = algbw * 2 * (ranks - 1) / ranks;
  fmt::print("{:>5} MiB  {:>9.3f} ms ({:.3f}-{:.3f})", mib, middle, *std::ranges::min_element(ms),
             *std::ranges::max_element(ms));
  if (ranks > 1) fmt::print("  algbw {:>7.1f} GB/s  busbw {:>7.1f} GB/s", algbw, busbw);
  fmt::print("\n");
  nlohmann::json told{{"group", fmt::format("{} MiB", mib)}, {"name", "Lockstep"}, {"values", ms}};
  if (ranks > 1) told.update({{"algbw_gb_s", algbw}, {"busbw_gb_s", busbw}});
  return told;
}

void run(const Arguments& arguments) {
  configure_log({.prefix = "", .file = "", .to_stderr = false});
  JoinOptions join{.launch = {.launched = std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr}};
  join.cuda = arguments.cuda;
  World world = join_world(join);
  const int ranks = world.size().value;
  const std::string device = arguments.cuda ? device_words() : "host memory";
  nlohmann::json report{{"benchmark", "bandwidth"}, {"ranks", ranks}, {"backend", world.device().backend()},
                        {"device", device},         {"unit", "ms"},   {"cases", nlohmann::json::array()}};
  if (world.is_root())
    fmt::print("all-reduce in place of float32 by {}, {} rank{}, {}: median (range)\n",
               world.device().backend(), ranks, ranks == 1 ? "" : "s", device);
  if (world.is_root() && ranks == 1)
    fmt::print("of one rank nothing crosses a link: this is what the call costs, and no bandwidth\n");
  for (const std::size_t mib : arguments.mib) {
    const std::vector<double> ms = times(world, mib << 20, arguments);
    if (world.is_root()) report["cases"].push_back(print(mib, ms, ranks));
  }
  if (world.is_root() && !arguments.json.empty()) std::ofstream(arguments.json) << report.dump(1) << '\n';
  world.host().barrier();
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  lockstep::bench::Arguments arguments;
  CLI::App app("All-reduce by the communicator that moves gradients; under mpirun, one rank a GPU");
  app.add_flag("--cuda", arguments.cuda, "On GPUs, by NCCL; else in host memory, by MPI");
  app.add_option("--mib", arguments.mib, "Sizes")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--rounds", arguments.rounds, "Rounds of each size")->check(CLI::PositiveNumber);
  app.add_option("--calls", arguments.calls, "Calls a round")->check(CLI::PositiveNumber);
  app.add_option("--json", arguments.json, "A file for all times");
  CLI11_PARSE(app, argc, argv);
  try {
    lockstep::bench::run(arguments);
    lockstep::leave_job();
  } catch (const std::exception& error) {
    const auto* fault = dynamic_cast<const lockstep::Fault*>(&error);
    fmt::print(stderr, "bench_bandwidth: {}\n", error.what());
    lockstep::abort_job(fault != nullptr ? fault->code() : lockstep::ExitCode::kBug);
  }
  return 0;
}
