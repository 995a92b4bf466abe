// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdlib>
#include <random>

#include "lockstep/cli/application.h"

using namespace lockstep;
using torch::Tensor;

namespace {

std::string how(const ModelOptions& options) {
  const auto found = options.params.find("how");
  return found == options.params.end() ? "" : found->second;
}

// A BatchNorm that its owner keeps in eval mode, in one of the ways PyTorch users do it, beside one that
// trains.
struct FrozenNorm : Model {
  explicit FrozenNorm(const ModelOptions& options) : overrides(how(options) == "override") {
    in = register_module("in", torch::nn::Linear(8, 8));
    kept = register_module("kept", torch::nn::BatchNorm1d(8));
    if (how(options) == "shared") register_module("again", kept);
    trained = register_module("trained", torch::nn::BatchNorm1d(8));
    out = register_module("out", torch::nn::Linear(8, 4));
    kept->running_mean.fill_(0.5);
    if (!overrides) kept->eval();
  }
  void train(bool on) override {
    Model::train(on);
    if (overrides) kept->eval();
  }
  Tensor forward(Tensor x) override {
    x = torch::relu(kept(in(x)));
    return out(torch::dropout(trained(x), 0.2, is_training()));
  }
  bool overrides;
  torch::nn::Linear in{nullptr}, out{nullptr};
  torch::nn::BatchNorm1d kept{nullptr}, trained{nullptr};
};

// Adds to its output what `how` says: state that no checkpoint has, or what looks like it and is none.
struct Stray : Model {
  explicit Stray(const ModelOptions& options) : kind(how(options)) {
    in = register_module("in", torch::nn::Linear(8, 8));
    if (kind == "shared") register_module("twin", in);
    if (kind == "norm") norm = register_module("norm", torch::nn::BatchNorm1d(8));
    if (kind == "unused") unused = register_parameter("unused", torch::ones({3}));
    if (kind == "buffer") count = register_buffer("count", torch::zeros({}, torch::kInt64));
    if (kind == "buffer_by_hand") hidden = torch::zeros({8});
    out = register_module("out", torch::nn::Linear(8, 4));
  }
  Tensor forward(Tensor x) override {
    if (kind == "writes_inputs") x.mul_(2);
    x = in(x);
    if (kind == "shared") x = in(torch::relu(x));
    if (kind == "norm") x = norm(x);
    if (kind == "dropout") x = torch::dropout(x, 0.5, is_training());
    if (kind == "noise") x = x + torch::randn_like(x);
    if (kind == "buffer" && is_training()) x = x * (1 + 0.01 * count.add_(1).to(x.dtype()));
    return out(torch::relu(x + stray(x)));
  }
  Tensor stray(const Tensor& x) {
    ++calls;
    if (kind == "counter") return torch::full({1}, 0.1 * calls);
    if (kind == "first") return torch::full({1}, calls == 1 ? 0.1 : 0.0);
    if (kind == "third") return torch::full({1}, calls < 3 ? 0.0 : 0.1);
    if (kind == "rand") return torch::full({1}, std::rand() / 1e9);
    if (kind == "random_device") return torch::full({1}, std::random_device()() / 1e9);
    if (kind == "generator") {
      if (!own.defined()) own = torch::make_generator<at::CPUGeneratorImpl>(7);
      return torch::rand({1}, own);
    }
    if (kind == "cache") {
      cache.push_back(x.detach().clone());
      return torch::cat(cache).mean(0, true);
    }
    if (kind == "cache_shape") {
      cache.push_back(x.detach().clone());
      return torch::cat(cache);
    }
    if (kind == "clock")
      return torch::full({1},
                         double(std::chrono::steady_clock::now().time_since_epoch().count() % 100000) / 1e5);
    if (kind == "buffer_by_hand") return hidden.mul_(0.9).add_(x.detach().mean(0)).clone();
    return torch::zeros({1});
  }

  std::string kind;
  int calls = 0;
  std::vector<Tensor> cache;
  at::Generator own;
  Tensor unused, count, hidden;
  torch::nn::Linear in{nullptr}, out{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
};

}  // namespace

int main(int argc, char** argv) {
  Registries registries;
  registries.models.add("frozen_norm", [](const ModelOptions& o) { return std::make_shared<FrozenNorm>(o); });
  registries.models.add("stray", [](const ModelOptions& o) { return std::make_shared<Stray>(o); });
  return run_application(argc, argv, registries);
}
