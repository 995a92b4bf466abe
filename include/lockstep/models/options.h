// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lockstep {

// The `model` section of a config.
struct ModelOptions {
  std::string type = "mlp";  // mlp|resnet18|resnet34|resnet50|gpt, or a registered one
  // mlp
  std::int64_t inputs = 784;
  std::vector<std::int64_t> hidden = {256, 128};
  std::int64_t outputs = 10;
  double dropout = 0.0;  // also gpt
  // resnet
  std::int64_t classes = 1000;
  std::string stem = "imagenet";  // or cifar: 3x3, stride 1, no pooling
  // gpt
  std::int64_t layers = 12;
  std::int64_t heads = 12;
  std::int64_t width = 768;
  std::int64_t context = 1024;
  std::int64_t vocab = 50257;
  // model.weights: start a new run from these. Of these and of --weights: globs of names to leave as they
  // are, prefixes to take off, and OLD=NEW for what names begin with.
  std::string weights;
  std::vector<std::string> weights_skip;
  std::vector<std::string> weights_strip;
  std::vector<std::string> weights_rename;
  std::map<std::string, std::string> params;  // model.params, for registered types
};

enum class LossKind { kAuto, kCrossEntropy, kMse };

}  // namespace lockstep
