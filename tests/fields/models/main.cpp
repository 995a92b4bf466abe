// SPDX-License-Identifier: Apache-2.0
#include "lockstep/cli/application.h"

using namespace lockstep;
using torch::Tensor;

namespace {

// A picture, a table, and a mask of what of the table is known, to one of three classes.
struct TwoInputs : Model {
  TwoInputs() {
    conv = register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 4, 3)));
    known = register_module("known", torch::nn::Linear(5, 8));
    out = register_module("out", torch::nn::Linear(12, 3));
  }
  Tensor forward(const Batch& batch) override {
    const Tensor picture = torch::relu(conv(batch["image"].to(torch::kFloat32) / 255)).mean({2, 3});
    const Tensor table = torch::relu(known(batch["table"] * batch["mask"]));
    return out(torch::dropout(torch::cat({picture, table}, 1), 0.1, is_training()));
  }
  torch::nn::Conv2d conv{nullptr};
  torch::nn::Linear known{nullptr}, out{nullptr};
};

// The mean of a sentence's words, without its padding, to its class.
struct Sentence : Model {
  Sentence() {
    words = register_module("words", torch::nn::Embedding(30, 6));
    out = register_module("out", torch::nn::Linear(6, 3));
  }
  Tensor forward(const Batch& batch) override {
    const Tensor& lengths = batch["tokens_length"];
    const Tensor places = torch::arange(batch["tokens"].size(1)).unsqueeze(0);
    const Tensor kept = (places < lengths.unsqueeze(1)).unsqueeze(2);
    return out((words(batch["tokens"]) * kept).sum(1) / lengths.unsqueeze(1));
  }
  torch::nn::Embedding words{nullptr};
  torch::nn::Linear out{nullptr};
};

// A tag for every word: the target is as long as the sentence.
struct Tagger : Model {
  Tagger() {
    words = register_module("words", torch::nn::Embedding(30, 6));
    out = register_module("out", torch::nn::Linear(6, 3));
  }
  Tensor forward(const Batch& batch) override { return out(torch::tanh(words(batch["tokens"]))); }
  torch::nn::Embedding words{nullptr};
  torch::nn::Linear out{nullptr};
};

// As models were before batches had names.
struct OneInput : Model {
  OneInput() { out = register_module("out", torch::nn::Linear(5, 3)); }
  Tensor forward(Tensor input) override { return out(input); }
  torch::nn::Linear out{nullptr};
};

}  // namespace

int main(int argc, char** argv) {
  Registries registries;
  registries.models.add("two_inputs", [](const ModelOptions&) { return std::make_shared<TwoInputs>(); });
  registries.models.add("sentence", [](const ModelOptions&) { return std::make_shared<Sentence>(); });
  registries.models.add("tagger", [](const ModelOptions&) { return std::make_shared<Tagger>(); });
  registries.models.add("one_input", [](const ModelOptions&) { return std::make_shared<OneInput>(); });
  return run_application(argc, argv, registries);
}
