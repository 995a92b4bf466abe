// SPDX-License-Identifier: Apache-2.0
// The cases of values.json as Lockstep makes them: models, filled by name and index, and their batches.
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "lockstep/models/registry.h"
#include "optim/options.h"

namespace lockstep {

using nlohmann::json;

inline std::uint64_t name_hash(const std::string& name) {
  std::uint64_t value = 0xCBF29CE484222325;
  for (const unsigned char byte : name) value = (value ^ byte) * 0x100000001B3;
  return value;
}

// The top 53 bits of SplitMix64's outputs 1..count from the state name_hash(name).
inline std::vector<std::uint64_t> hashes(const std::string& name, std::int64_t count) {
  std::vector<std::uint64_t> values(count);
  std::uint64_t state = name_hash(name);
  for (auto& value : values) {
    std::uint64_t z = state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    value = (z ^ (z >> 31)) >> 11;
  }
  return values;
}

inline std::int64_t product(at::IntArrayRef shape) {
  return c10::multiply_integers(shape);
}

inline torch::Tensor uniform(const std::string& name, at::IntArrayRef shape) {
  torch::Tensor values = torch::empty(shape, torch::kFloat64);
  auto* out = values.mutable_data_ptr<double>();
  for (const std::uint64_t bits : hashes(name, product(shape)))
    *out++ = static_cast<double>(bits) * 0x1p-52 - 1.0;
  return values;
}

inline torch::Tensor integers(const std::string& name, at::IntArrayRef shape, std::int64_t limit) {
  torch::Tensor values = torch::empty(shape, torch::kInt64);
  auto* out = values.mutable_data_ptr<std::int64_t>();
  for (const std::uint64_t bits : hashes(name, product(shape)))
    *out++ = static_cast<std::int64_t>(bits) % limit;
  return values;
}

inline void fill(Model& model) {
  const torch::NoGradGuard no_grad;
  for (auto& item : model.named_parameters()) {
    torch::Tensor value = uniform(item.key(), item.value().sizes());
    if (value.dim() >= 2) {
      value = value * (1.0 / std::sqrt(static_cast<double>(value.numel() / value.size(0))));
    } else if (item.key().ends_with("weight")) {
      value = 1.0 + 0.1 * value;
    } else {
      value = 0.1 * value;
    }
    item.value().copy_(value);
  }
}

inline ModelOptions model_options(const json& spec) {
  ModelOptions options;
  options.type = spec.at("type");
  options.inputs = spec.value("inputs", options.inputs);
  options.hidden = spec.value("hidden", options.hidden);
  options.outputs = spec.value("outputs", options.outputs);
  options.classes = spec.value("classes", options.classes);
  options.stem = spec.value("stem", options.stem);
  options.layers = spec.value("layers", options.layers);
  options.heads = spec.value("heads", options.heads);
  options.width = spec.value("width", options.width);
  options.context = spec.value("context", options.context);
  options.vocab = spec.value("vocab", options.vocab);
  return options;
}

inline OptimOptions optim_options(const json& spec) {
  OptimOptions options;
  options.type = spec.at("type");
  options.lr = spec.at("lr");
  options.betas = spec.value("betas", options.betas);
  options.eps = spec.value("eps", options.eps);
  options.weight_decay = spec.at("weight_decay");
  options.momentum = spec.value("momentum", options.momentum);
  options.nesterov = spec.value("nesterov", options.nesterov);
  return options;
}

struct Case {
  std::string name;
  json spec;

  std::shared_ptr<Model> model(torch::Dtype dtype) const {
    auto made = ModelRegistry::with_builtin().make(model_options(spec.at("model")));
    made->to(dtype);
    fill(*made);
    made->train();
    return made;
  }

  std::pair<torch::Tensor, torch::Tensor> batch(torch::Dtype dtype, int step) const {
    const std::string key =
        name + "." + std::to_string(spec.at("salt").get<int>()) + "." + std::to_string(step);
    const auto input = spec.at("input").get<std::vector<std::int64_t>>();
    const auto target = spec.at("target").get<std::vector<std::int64_t>>();
    const ModelOptions options = model_options(spec.at("model"));
    if (options.type == "gpt") {
      return {integers(key + ".input", input, options.vocab),
              integers(key + ".target", target, options.vocab)};
    }
    const torch::Tensor x = uniform(key + ".input", input).to(dtype);
    if (name.ends_with("_mse")) return {x, uniform(key + ".target", target).to(dtype)};
    return {x, integers(key + ".target", target, options.type == "mlp" ? options.outputs : options.classes)};
  }
};

inline const json& stored() {
  static const json values = json::parse(std::ifstream(PARITY_VALUES));
  return values;
}

}  // namespace lockstep
