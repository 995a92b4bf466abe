// SPDX-License-Identifier: Apache-2.0
#include "config/rows.h"

namespace lockstep {
namespace {

const std::vector<std::string> kResnets = {"resnet18", "resnet34", "resnet50"};
// Far above any real model, far below where products of two overflow.
constexpr double kMaxWidth = 1 << 20;

std::vector<Row> weights_rows() {
  const auto m = &RunConfig::model;
  using M = ModelOptions;
  return {
      row("model.weights", m, &M::weights)
          .as(KeyKind::kPath)
          .may_change()
          .says("Start a new run from these weights, at step 0; a resume ignores it."),
      row("model.weights_skip", m, &M::weights_skip)
          .may_change()
          .says(
              "Names (globs such as fc.*) that the weights need not fit: they keep their initial values. Of "
              "model.weights, and of --weights in eval and predict."),
      row("model.weights_strip", m, &M::weights_strip)
          .may_change()
          .says("Prefixes to take off the names of the weights; module., _orig_mod. and model. are by "
                "themselves."),
      row("model.weights_rename", m, &M::weights_rename)
          .may_change()
          .says("OLD=NEW: names of the weights that begin with OLD begin with NEW instead."),
  };
}

std::vector<Row> architecture_rows() {
  const auto m = &RunConfig::model;
  using M = ModelOptions;
  return {
      row("model.type", m, &M::type)
          .one_of({"mlp", "resnet18", "resnet34", "resnet50", "gpt"})
          .says("The model; a program may register more."),
      row("model.inputs", m, &M::inputs)
          .in(between(1, 1 << 28), "values")
          .only("model.type", {"mlp"})
          .says("Values of one sample; images are flattened."),
      row("model.hidden", m, &M::hidden)
          .in(between(1, kMaxWidth), "values")
          .counts(0, 256)
          .only("model.type", {"mlp"})
          .says("Widths of the hidden layers, first to last; [] is a linear model."),
      row("model.outputs", m, &M::outputs)
          .in(between(1, kMaxWidth), "values")
          .only("model.type", {"mlp"})
          .says("Classes, or numbers to predict."),
      row("model.classes", m, &M::classes)
          .in(between(1, kMaxWidth), "classes")
          .only("model.type", kResnets)
          .says("Outputs of the last layer."),
      row("model.stem", m, &M::stem)
          .one_of({"imagenet", "cifar"})
          .only("model.type", kResnets)
          .says("First layer: imagenet is 7x7, stride 2, with pooling; cifar is 3x3, stride 1, without."),
      row("model.layers", m, &M::layers)
          .in(between(1, 1024), "blocks")
          .only("model.type", {"gpt"})
          .says("Transformer blocks."),
      row("model.heads", m, &M::heads)
          .in(between(1, 1024), "heads")
          .only("model.type", {"gpt"})
          .says("Attention heads; divides model.width."),
      row("model.width", m, &M::width)
          .in(between(1, kMaxWidth), "values")
          .only("model.type", {"gpt"})
          .says("Size of the residual stream."),
      // Registered models too: sequence data are cut by these two.
      row("model.context", m, &M::context)
          .in(between(1, kMaxWidth), "tokens")
          .only("model.type", {"gpt", kRegistered})
          .says("Tokens a sample has; text and token data are cut to it."),
      row("model.vocab", m, &M::vocab)
          .in(between(1, 1 << 24), "tokens")
          .only("model.type", {"gpt", kRegistered})
          .says("Different tokens there are; 256 for text, which is read as bytes."),
      row("model.dropout", m, &M::dropout)
          .in(fraction())
          .only("model.type", {"mlp", "gpt"})
          .says("Share of values dropped in training."),
  };
}

}  // namespace

std::vector<Row> model_rows() {
  std::vector<Row> rows = architecture_rows();
  for (const Row& row : weights_rows()) rows.push_back(row);
  rows.push_back(row("model.params", &RunConfig::model, &ModelOptions::params)
                     .only("model.type", {kRegistered})
                     .says("Settings of a registered model, as it defines them."));
  return rows;
}

}  // namespace lockstep
