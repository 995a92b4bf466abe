// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "lockstep/models/model.h"

namespace lockstep {

// The models that come with Lockstep. Local. Each checks its part of the options and throws Fault (78) with
// the key and the value that do not fit; parameters are float32 on the CPU, drawn from LibTorch's default
// generator.

// layers.0, layers.1, …: Linear modules with ReLU and dropout between them; an input of any shape is
// flattened to [N, inputs].
std::shared_ptr<Model> make_mlp(const ModelOptions& options);

// resnet18, resnet34 or resnet50, by options.type: [N, 3, H, W] to [N, classes], with torchvision's names,
// shapes and initialisation (for one seed also its values: modules are made and drawn in its order).
std::shared_ptr<Model> make_resnet(const ModelOptions& options);

// GPT-2: int64 tokens [N, T] to logits [N, T, vocab], T <= context. The embedding is also the output
// projection, so there is no lm_head among the parameters.
std::shared_ptr<Model> make_gpt(const ModelOptions& options);

// Throws Fault (78) "model.<key> is <value>; …" unless 1 <= value; for the sizes of the models above.
void require_positive(const char* key, std::int64_t value);

// Throws Fault (78) unless 0 <= dropout < 1.
void require_probability(double dropout);

}  // namespace lockstep
