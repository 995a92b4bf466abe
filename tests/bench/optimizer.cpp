// SPDX-License-Identifier: Apache-2.0
// bench_optimizer: what one AdamW update of ours costs beside ATen's and beside the memory's limit.
// docs/benchmarks.md.
#include "optim/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <sched.h>
#include <torch/torch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/median.h"
#include "lockstep/base/error.h"
#include "optim/kernels/update_kernels.h"
#include "streaming_limit.h"
#include "tensors/in_parallel.h"
#include "tensors/page_zeros.h"

namespace lockstep::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kBytesPerElement = 28;  // reads 4 floats, writes 3
constexpr std::int64_t kTensors = 150;   // of a model, as Python's list has them

struct Arguments {
  std::int64_t elements = 32 << 20;
  int rounds = 9;
  std::vector<int> threads = {1, 2};
  std::string json;
  bool tiny = false;
};

struct Case {
  std::string name;
  std::function<void()> update;
  std::vector<double> ms = {};
};

std::vector<int> allowed_cores() {
  cpu_set_t allowed;
  check(::sched_getaffinity(0, sizeof allowed, &allowed) == 0, "the affinity can be read");
  std::vector<int> cores;
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &allowed)) cores.push_back(i);
  return cores;
}

// Each of LibTorch's threads to a core of its own: two that share one would halve the memory's speed.
void use_threads(int count, const std::vector<int>& cores) {
  at::set_num_threads(count);
  if (cores.empty()) return;
  in_parallel(0, count, 1, [&](std::int64_t mine, std::int64_t /*end*/) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cores[static_cast<std::size_t>(mine) % cores.size()], &one);
    check(::sched_setaffinity(0, sizeof one, &one) == 0, "a thread may be pinned");
  });
}

// All cases work on the same memory, as in a run: parameters and slots of an optimizer of ours.
class Subject {
 public:
  // In huge pages, as a run's arena has them.
  explicit Subject(std::int64_t elements)
      : parameters_(zeros_from_a_page_on(elements, torch::kFloat32).normal_()),
        gradients_(zeros_from_a_page_on(elements, torch::kFloat32).normal_(0, 0.01)) {
    options_.type = "adamw";
    optimizer_ = FlatOptimizer::make(options_, parameters_);
    optimizer_->update(gradients_, options_.lr);  // what is 0 at first could be slow or quick
    slots_ = optimizer_->slots();
  }

  std::vector<Case> cases() {
    const std::vector<torch::Tensor> p = list(parameters_), g = list(gradients_), m = list(slots_[0].flat),
                                     v = list(slots_[1].flat);
    return {{"Lockstep", [this] { optimizer_->update(gradients_, options_.lr); }},
            {"ATen fused, flat",
             [this] { fused({parameters_}, {gradients_}, {slots_[0].flat}, {slots_[1].flat}); }},
            {"ATen fused, 150 tensors", [=, this] { fused(p, g, m, v); }},
            {"limit", [this] { limit(); }}};
  }

 private:
  static std::vector<torch::Tensor> list(const torch::Tensor& flat) {
    return flat.split((flat.numel() + kTensors - 1) / kTensors);
  }

  void fused(const std::vector<torch::Tensor>& p, const std::vector<torch::Tensor>& g,
             const std::vector<torch::Tensor>& m, const std::vector<torch::Tensor>& v) {
    const std::vector<torch::Tensor> counts(p.size(), count_);
    at::_fused_adamw_(p, g, m, v, {}, counts, options_.lr, options_.betas[0], options_.betas[1],
                      options_.weight_decay, options_.eps, false, false);
  }

  void limit() {
    const UpdateArrays arrays{parameters_.data_ptr<float>(), gradients_.data_ptr<float>(),
                              slots_[0].flat.data_ptr<float>(), slots_[1].flat.data_ptr<float>()};
    in_parallel(0, parameters_.numel(), 1 << 15,
                [&](std::int64_t first, std::int64_t last) { touch_what_adamw_does(arrays, first, last); });
  }

  OptimOptions options_;
  torch::Tensor parameters_;
  torch::Tensor gradients_;
  torch::Tensor count_ = torch::full({}, 100.0F);
  std::unique_ptr<FlatOptimizer> optimizer_;
  std::vector<OptimizerSlot> slots_;
};

// A B C D D C B A …; the first round warms up.
void measure(std::vector<Case>& cases, int rounds) {
  for (int round = -1; round < rounds; ++round)
    for (std::size_t i = 0; i < cases.size(); ++i) {
      Case& one = cases[round % 2 == 0 ? i : cases.size() - 1 - i];
      const auto begun = Clock::now();
      one.update();
      const std::chrono::duration<double, std::milli> spent = Clock::now() - begun;
      if (round >= 0) one.ms.push_back(spent.count());
    }
}

// The median over the rounds of one case's time by another's.
double ratio(const Case& one, const Case& other) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < one.ms.size(); ++i) ratios.push_back(one.ms[i] / other.ms[i]);
  return median(ratios);
}

nlohmann::json print(const std::vector<Case>& cases, int threads, std::int64_t elements) {
  nlohmann::json list = nlohmann::json::array();
  for (const Case& one : cases) {
    const double ms = median(one.ms);
    const double speed = kBytesPerElement * static_cast<double>(elements) / ms / 1e6;
    const double of_limit = 1 / ratio(one, cases.back());
    fmt::print("{:<24} {:>7}  {:>8.2f} ms ({:.2f}-{:.2f})  {:>6.1f} GB/s  {:>6.3f}\n", one.name, threads, ms,
               *std::min_element(one.ms.begin(), one.ms.end()),
               *std::max_element(one.ms.begin(), one.ms.end()), speed, of_limit);
    list.push_back({{"name", one.name},
                    {"threads", threads},
                    {"median_ms", ms},
                    {"gb_s", speed},
                    {"of_limit", of_limit},
                    {"ms", one.ms}});
  }
  std::fflush(stdout);
  return list;
}

double load_of_machine() {
  double load = 0;
  return ::getloadavg(&load, 1) == 1 ? load : -1;
}

int run(const Arguments& arguments) {
  const torch::NoGradGuard no_grad;
  const std::vector<int> cores = arguments.tiny ? std::vector<int>{} : allowed_cores();
  Subject subject(arguments.elements);
  nlohmann::json report{{"benchmark", "optimizer"},   {"elements", arguments.elements},
                        {"rounds", arguments.rounds}, {"cpu_capability", at::get_cpu_capability()},
                        {"libtorch", TORCH_VERSION},  {"update_kernels", kUpdateKernels},
                        {"load", load_of_machine()},  {"cases", nlohmann::json::array()}};
  fmt::print("AdamW, {} float32 parameters, {}, in turns; median (smallest-largest); load {:.1f}\n",
             arguments.elements, at::get_cpu_capability(), load_of_machine());
  fmt::print("{:<24} {:>7}  {:>27}  {:>11}  of the limit\n", "", "threads", "", "");
  for (const int threads : arguments.threads) {
    use_threads(threads, cores);
    std::vector<Case> cases = subject.cases();
    measure(cases, arguments.rounds);
    for (const auto& one : print(cases, threads, arguments.elements)) report["cases"].push_back(one);
    fmt::print("ATen flat / Lockstep {:.3f}, ATen 150 tensors / Lockstep {:.3f}\n", ratio(cases[1], cases[0]),
               ratio(cases[2], cases[0]));
  }
  if (!arguments.json.empty()) std::ofstream(arguments.json) << report.dump(1) << '\n';
  return 0;
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  lockstep::bench::Arguments arguments;
  CLI::App app("One AdamW update of Lockstep beside ATen's fused kernel and the memory's limit");
  app.add_option("--elements", arguments.elements, "Parameters")->check(CLI::PositiveNumber);
  app.add_option("--rounds", arguments.rounds, "Updates of each case")->check(CLI::PositiveNumber);
  app.add_option("--threads", arguments.threads, "Numbers of threads, one after the other")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  app.add_option("--json", arguments.json, "A file for all times");
  app.add_flag("--tiny", arguments.tiny, "Not pinned, and sizes that only show that it works");
  CLI11_PARSE(app, argc, argv);
  if (arguments.tiny) arguments.elements = 1 << 16;
  try {
    return lockstep::bench::run(arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_optimizer: {}\n", error.what());
    return 70;
  }
}
