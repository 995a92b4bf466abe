// SPDX-License-Identifier: Apache-2.0
#include <lockstep/cli/application.h>
#include <lockstep/cli/open_predictor.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>

using namespace lockstep;

// A model is a torch::nn::Module with forward(). Its own loss and metrics are optional: without them the
// config's train.loss decides.
class Wave : public Model {
 public:
  explicit Wave(std::int64_t width) {
    in_ = register_module("in", torch::nn::Linear(1, width));
    out_ = register_module("out", torch::nn::Linear(width, 1));
  }

  torch::Tensor forward(torch::Tensor x) override { return out_(torch::tanh(in_(x))); }

  // The mean over the samples of a micro-batch.
  torch::Tensor loss(const torch::Tensor& output, const torch::Tensor& target, LossKind) override {
    return torch::smooth_l1_loss(output, target);
  }

  // Sums and counts over a chunk of the validation data. "loss" must be among them.
  MetricSums metrics(const torch::Tensor& output, const torch::Tensor& target, LossKind kind) override {
    const double count = static_cast<double>(target.numel());
    const double close = ((output - target).abs() < 0.1).sum().item<double>();
    return {{"loss", {loss(output, target, kind).item<double>() * count, count}}, {"close", {close, count}}};
  }

 private:
  torch::nn::Linear in_{nullptr}, out_{nullptr};
};

// A dataset says how many samples it has, what one looks like, and writes sample number `index`.
class Points : public Dataset {
 public:
  explicit Points(std::int64_t size) : size_(size) {}

  std::int64_t size() const override { return size_; }

  SampleSpec spec() const override { return {DType::kFloat32, {1}, DType::kFloat32, {1}}; }

  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    const float x = static_cast<float>(index) / static_cast<float>(size_);
    const float y = std::sin(6 * x);
    std::memcpy(input.data(), &x, sizeof x);
    std::memcpy(target.data(), &y, sizeof y);
  }

 private:
  std::int64_t size_;
};

// Asks the trained model from C++.
int ask(const Registries& registries, const std::string& config, const std::string& weights, float x) {
  const Predictor predictor = open_predictor(config, weights, registries);
  std::printf("%.6f\n", predictor(torch::tensor({x}).reshape({1, 1})).item<float>());
  return 0;
}

// Parts of one's own, a line each.
void add_own_parts(Registries& registries) {
  registries.schedules.add("inverse_sqrt", [](const ScheduleMoment& at) {
    return at.lr / std::sqrt(static_cast<double>(at.step));
  });
  registries.optimizers.add("heavy_ball", {.state = {"velocity"}, .update = [](ParameterUpdate& u) {
                                             const double momentum = std::stod(u.params.at("momentum"));
                                             u.state["velocity"].mul_(momentum).add_(u.gradient);
                                             u.parameter.sub_(u.state["velocity"], u.lr);
                                           }});
  registries.hooks.saved = [](const Moment& at) {
    if (at.rank == 0) std::printf("kept %s\n", at.checkpoint.c_str());
  };
}

int main(int argc, char** argv) {
  Registries registries;
  registries.models.add(
      "wave", [](const ModelOptions& o) { return std::make_shared<Wave>(std::stoll(o.params.at("width"))); });
  registries.datasets.add("points", [](const DataOptions&, DataPart part) {
    return std::make_unique<Points>(part == DataPart::kTrain ? 512 : 64);
  });
  add_own_parts(registries);
  if (argc == 5 && std::string(argv[1]) == "ask")
    return ask(registries, argv[2], argv[3], std::stof(argv[4]));
  return run_application(argc, argv, registries);
}
