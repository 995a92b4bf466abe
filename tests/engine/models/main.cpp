// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "lockstep/cli/application.h"
#include "parts.h"

using namespace lockstep;
using torch::Tensor;

namespace {

std::string param(const ModelOptions& options, const std::string& name) {
  const auto found = options.params.find(name);
  return found == options.params.end() ? "" : found->second;
}

// Layers of which those whose names are in `freeze` are frozen.
struct Layers : Model {
  explicit Layers(const ModelOptions& options) {
    for (const char* name : {"first", "second", "third"}) {
      layers.push_back(register_module(name, torch::nn::Linear(8, 8)));
      if (param(options, "freeze").find(name) == std::string::npos) continue;
      for (Tensor& parameter : layers.back()->parameters()) parameter.set_requires_grad(false);
    }
    // Another on one rank of a job that shall not have one.
    const bool odd = std::getenv("ENGINE_ODD_HEAD") != nullptr;
    head = register_module("head", torch::nn::Linear(torch::nn::LinearOptions(8, 4).bias(!odd)));
    if (param(options, "freeze") == "all")
      for (Tensor& parameter : parameters()) parameter.set_requires_grad(false);
  }
  Tensor forward(Tensor x) override {
    for (auto& layer : layers) x = torch::relu(layer(x));
    return head(x);
  }
  std::vector<torch::nn::Linear> layers;
  torch::nn::Linear head{nullptr};
};

// A branch by the data of each micro-batch, a parameter that nothing reaches, and one that a buffer which
// counts steps brings in late.
struct Branches : Model {
  explicit Branches(const ModelOptions&) {
    left = register_module("left", torch::nn::Linear(8, 8));
    right = register_module("right", torch::nn::Linear(8, 8));
    head = register_module("head", torch::nn::Linear(8, 4));
    late = register_parameter("late", torch::ones({4}));
    never = register_parameter("never", torch::ones({3}));
    steps = register_buffer("steps", torch::zeros({}, torch::kInt64));
  }
  Tensor forward(Tensor x) override {
    const std::int64_t step = steps.item<std::int64_t>();
    if (is_training()) steps.add_(1);
    // Rare enough that a step of four micro-batches may reach the one alone, or the other.
    x = torch::relu(x.sum().item<double>() > 8 ? left(x) : right(x));
    x = head(x);
    return step >= 4 ? x * late : x;
  }
  torch::nn::Linear left{nullptr}, right{nullptr}, head{nullptr};
  Tensor late, never, steps;
};

// Changes a parameter while it computes: past LibTorch, where nothing counts versions, or through it.
struct Scribbler : Model {
  explicit Scribbler(const ModelOptions& options) : past_torch(param(options, "past_torch") == "yes") {
    first = register_module("first", torch::nn::Linear(8, 8));
    head = register_module("head", torch::nn::Linear(8, 4));
    steps = register_buffer("steps", torch::zeros({}, torch::kInt64));
  }
  Tensor forward(Tensor x) override {
    if (is_training()) steps.add_(1);
    if (is_training() && steps.item<std::int64_t>() == 3) {
      const torch::NoGradGuard no_grad;
      past_torch ? void(head->bias.data_ptr<float>()[1] = 1) : void(head->bias.mul_(0.9));
    }
    return head(torch::relu(first(x)));
  }
  bool past_torch;
  torch::nn::Linear first{nullptr}, head{nullptr};
  Tensor steps;
};

}  // namespace

int main(int argc, char** argv) {
  Registries registries;
  registries.models.add("layers", [](const ModelOptions& o) { return std::make_shared<Layers>(o); });
  registries.models.add("branches", [](const ModelOptions& o) { return std::make_shared<Branches>(o); });
  registries.models.add("scribbler", [](const ModelOptions& o) { return std::make_shared<Scribbler>(o); });
  add_parts(registries);
  return run_application(argc, argv, registries);
}
