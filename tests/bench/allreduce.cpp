// SPDX-License-Identifier: Apache-2.0
// bench_allreduce: the sum of all ranks' gradients as a step makes it, beside MPI_Allreduce and the memory's
// limit. Under mpirun; allreduce.py starts it in turns with gloo. docs/benchmarks.md.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <sched.h>
#include <torch/torch.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>

#include "comm/agree.h"
#include "comm/domain/host_domain.h"
#include "comm/launch/job.h"
#include "lockstep/base/log.h"
#include "parallel/common_tensors.h"
#include "parallel/gradient_exchange.h"
#include "parallel/micro_batch_pass.h"
#include "parallel/ownership.h"
#include "streaming_limit.h"
#include "tensors/kept_tensors.h"
#include "tensors/page_zeros.h"
#include "tensors/tensor_span.h"

namespace lockstep::bench {
namespace {

constexpr std::int64_t kParameters = 16;

struct Arguments {
  std::vector<std::int64_t> kib = {256 << 10, 25 << 10};
  int rounds = 9;
  bool pinned = true;
};

// Numbers in as many parameters as a model may have.
struct Numbers : torch::nn::Module {
  explicit Numbers(std::int64_t count) {
    for (std::int64_t i = 0; i < kParameters; ++i)
      register_parameter(fmt::format("part_{}", i), torch::zeros({count / kParameters}));
  }
};

// What one case does: prepare() is not measured, run() is, and result() is what all ranks then have of the
// mean.
struct Case {
  std::string name;
  std::function<void()> prepare;
  std::function<void()> run;
  std::function<torch::Tensor()> result;  // null: it has none
  std::vector<double> ms = {};
};

// A micro-batch a rank, whose gradients autograd makes; then the exchange of a loop of one's own, from
// gradients to .grad.
class Exchanged {
 public:
  Exchanged(World& world, HostDomain& domain, std::int64_t count)
      : numbers_(count),
        arena_(numbers_),
        exchange_(make_exchange(world, arena_, {world.size().value, false, &domain})),
        pass_({&arena_}, {run_of(world, world.size().value), world.size().value}) {
    pass_.use(*exchange_);
  }

  Case as_case() {
    return {"Lockstep",
            [this] {
              pass_.run(Step(++step_), [this](int micro_batch) {
                torch::Tensor loss = torch::zeros({});
                for (const torch::Tensor& parameter : arena_.trainable_tensors())
                  loss = loss + (parameter * static_cast<double>(micro_batch + 1)).sum();
                return loss;
              });
            },
            [this] {
              exchange_->reduce(pass_.sums());
              exchange_->average();
            },
            [this] { return arena_.trainable_tensors().back().grad(); }};
  }

 private:
  Numbers numbers_;
  ModelArena arena_;
  std::unique_ptr<GradientExchange> exchange_;
  MicroBatchPass pass_;
  std::int64_t step_ = 0;
};

Case by_mpi(World& world, std::int64_t count) {
  const torch::Tensor values = zeros_from_a_page_on(count, torch::kFloat32);
  const double ranks = world.size().value;
  return {"MPI_Allreduce", [values, &world] { values.fill_(world.rank().value + 1); },
          [values, &world] { world.host().all_reduce(span_of(values), span_of(values), ReduceOp::kSum); },
          [values, ranks] { return values / ranks; }};
}

// Of `rows`, the first at `first`, so many values.
void touch(float* first, std::int64_t stride, int rows, std::int64_t values) {
  std::vector<float*> starts;
  for (int i = 0; i < rows; ++i) starts.push_back(first + i * stride);
  touch_what_a_sum_does(starts.data(), rows, values);
}

Case limit_of(World& world, std::int64_t count) {
  const int ranks = world.size().value;
  check(ranks == 2 || ranks == 4, "2 or 4 ranks take part");
  const torch::Tensor rows = zeros_from_a_page_on(count, torch::kFloat32);
  const std::int64_t length = count / ranks;
  return {"limit", [=] { rows.fill_(1); }, [=] { touch(rows.data_ptr<float>(), length, ranks, length); },
          nullptr};
}

// The same where all ranks have the rows mapped, which few systems give huge pages.
Case limit_in_common_of(World& world, HostDomain& domain, std::int64_t count) {
  const int ranks = world.size().value;
  const torch::Tensor rows = required_in_common(domain, ranks * count, torch::kFloat32);
  const torch::Tensor own = rows.narrow(0, world.rank().value * count, count);
  const std::int64_t length = count / ranks;
  float* const first = rows.data_ptr<float>() + world.rank().value * length;
  return {"limit, memory in common", [=] { own.fill_(1); }, [=] { touch(first, count, ranks, length); },
          nullptr};
}

// All ranks of a host have the same clock.
std::int64_t nanoseconds() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A B C C B A …, of which the first two rounds warm up.
void measure(World& world, std::vector<Case>& cases, int rounds) {
  const double mean = (world.size().value + 1) / 2.0;
  for (int round = -2; round < rounds; ++round)
    for (std::size_t i = 0; i < cases.size(); ++i) {
      Case& one = cases[round % 2 == 0 ? i : cases.size() - 1 - i];
      one.prepare();
      world.host().barrier();
      const std::int64_t begun = nanoseconds();
      one.run();
      const std::int64_t ended = nanoseconds();
      // Ranks that share a core begin one after the other.
      const std::int64_t first = -agree_max(world, -begun).value;
      const std::int64_t last = agree_max(world, ended).value;
      if (round >= 0) one.ms.push_back(static_cast<double>(last - first) / 1e6);
      check(one.result == nullptr || (one.result() == mean).all().item<bool>(), "every rank has the mean");
    }
}

void pin(int rank) {
  cpu_set_t allowed, one;
  check(::sched_getaffinity(0, sizeof allowed, &allowed) == 0, "the affinity can be read");
  std::vector<int> cores;
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &allowed)) cores.push_back(i);
  CPU_ZERO(&one);
  CPU_SET(cores[static_cast<std::size_t>(rank) % cores.size()], &one);
  check(::sched_setaffinity(0, sizeof one, &one) == 0, "a process may be pinned");
}

void run(const Arguments& arguments) {
  configure_log({.prefix = "", .file = "", .to_stderr = false});
  World world = join_world({.launch = {.launched = std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr}});
  if (arguments.pinned) pin(world.rank().value);
  at::set_num_threads(1);
  check(keep_tensors(), "this process keeps tensors");
  const auto domain = HostDomain::meet(world);
  check(domain != nullptr, "the ranks have memory in common");
  for (const std::int64_t kib : arguments.kib) {
    const std::int64_t count = kib * 256;
    Exchanged exchanged(world, *domain, count);
    std::vector<Case> cases = {exchanged.as_case(), by_mpi(world, count), limit_of(world, count),
                               limit_in_common_of(world, *domain, count)};
    measure(world, cases, arguments.rounds);
    for (const Case& one : cases)
      if (world.is_root())
        fmt::print("{}\n", nlohmann::json{{"name", one.name}, {"kib", kib}, {"ms", one.ms}}.dump());
    std::fflush(stdout);
    world.host().barrier();
  }
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  lockstep::bench::Arguments arguments;
  bool unpinned = false;
  CLI::App app("The mean of all ranks' gradients beside MPI_Allreduce; under mpirun, with 2 or 4 ranks");
  app.add_option("--kib", arguments.kib, "KiB of gradients, one size after the other")->delimiter(',');
  app.add_option("--rounds", arguments.rounds, "Turns of each case")->check(CLI::PositiveNumber);
  app.add_flag("--unpinned", unpinned, "Each rank on any core");
  CLI11_PARSE(app, argc, argv);
  arguments.pinned = !unpinned;
  try {
    lockstep::bench::run(arguments);
    lockstep::leave_job();
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_allreduce: {}\n", error.what());
    lockstep::abort_job(lockstep::ExitCode::kBug);
  }
  return 0;
}
