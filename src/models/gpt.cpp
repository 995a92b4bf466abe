// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/scaled_dot_product_attention.h>
#include <fmt/format.h>

#include <cmath>

#include "lockstep/base/error.h"
#include "lockstep/models/recompute.h"
#include "models/builtin.h"

namespace lockstep {
namespace {

namespace nn = torch::nn;

// GPT-2's, for every matrix that does not end in the residual stream.
constexpr double kInitDeviation = 0.02;

// At 0 no mask is drawn, so a model without dropout leaves the generator alone.
torch::Tensor drop(const torch::Tensor& x, double probability, bool training) {
  return probability > 0 ? torch::dropout(x, probability, training) : x;
}

class Attention : public nn::Module {
 public:
  explicit Attention(const ModelOptions& options) : heads_(options.heads), dropout_(options.dropout) {
    c_attn_ = register_module("c_attn", nn::Linear(options.width, 3 * options.width));
    c_proj_ = register_module("c_proj", nn::Linear(options.width, options.width));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    const std::int64_t batch = x.size(0), length = x.size(1), width = x.size(2);
    const auto split = [&](const torch::Tensor& part) {
      return part.view({batch, length, heads_, width / heads_}).transpose(1, 2);
    };
    const auto qkv = c_attn_->forward(x).split(width, 2);
    const torch::Tensor mixed = at::scaled_dot_product_attention(
        split(qkv[0]), split(qkv[1]), split(qkv[2]), {}, is_training() ? dropout_ : 0.0, /*is_causal=*/true);
    // reshape, not view: SDPA's layout of the heads depends on the kernel it picked.
    const torch::Tensor joined = mixed.transpose(1, 2).reshape({batch, length, width});
    return drop(c_proj_->forward(joined), dropout_, is_training());
  }

 private:
  std::int64_t heads_;
  double dropout_;
  nn::Linear c_attn_{nullptr}, c_proj_{nullptr};
};

class FeedForward : public nn::Module {
 public:
  explicit FeedForward(const ModelOptions& options) : dropout_(options.dropout) {
    c_fc_ = register_module("c_fc", nn::Linear(options.width, 4 * options.width));
    c_proj_ = register_module("c_proj", nn::Linear(4 * options.width, options.width));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    return drop(c_proj_->forward(torch::gelu(c_fc_->forward(x), "tanh")), dropout_, is_training());
  }

 private:
  double dropout_;
  nn::Linear c_fc_{nullptr}, c_proj_{nullptr};
};

// Pre-norm: the residual stream itself is never normalised, which is what makes deep stacks trainable.
class Block : public nn::Module {
 public:
  explicit Block(const ModelOptions& options) {
    const nn::LayerNormOptions norm({options.width});
    ln_1_ = register_module("ln_1", nn::LayerNorm(norm));
    attn_ = register_module("attn", std::make_shared<Attention>(options));
    ln_2_ = register_module("ln_2", nn::LayerNorm(norm));
    mlp_ = register_module("mlp", std::make_shared<FeedForward>(options));
  }

  torch::Tensor forward(const torch::Tensor& input) {
    const torch::Tensor x = input + attn_->forward(ln_1_->forward(input));
    return x + mlp_->forward(ln_2_->forward(x));
  }

 private:
  nn::LayerNorm ln_1_{nullptr}, ln_2_{nullptr};
  std::shared_ptr<Attention> attn_;
  std::shared_ptr<FeedForward> mlp_;
};

// Everything below the output projection; a module of its own because GPT-2's names begin with it.
class Transformer : public nn::Module {
 public:
  explicit Transformer(const ModelOptions& options) : dropout_(options.dropout) {
    wte = register_module("wte", nn::Embedding(options.vocab, options.width));
    wpe_ = register_module("wpe", nn::Embedding(options.context, options.width));
    auto list = register_module("h", nn::ModuleList());
    for (std::int64_t i = 0; i < options.layers; ++i) {
      blocks_.push_back(std::make_shared<Block>(options));
      list->push_back(blocks_.back());
    }
    ln_f_ = register_module("ln_f", nn::LayerNorm(nn::LayerNormOptions({options.width})));
  }

  torch::Tensor forward(const torch::Tensor& tokens) {
    const torch::Tensor positions =
        torch::arange(tokens.size(1), torch::TensorOptions(torch::kInt64).device(tokens.device()));
    torch::Tensor x = drop(wte->forward(tokens) + wpe_->forward(positions), dropout_, is_training());
    for (const auto& block : blocks_) x = recomputes ? again(block, x) : block->forward(x);
    return ln_f_->forward(x);
  }

  nn::Embedding wte{nullptr};
  bool recomputes = false;  // the activations of its blocks, in backward

 private:
  static torch::Tensor again(const std::shared_ptr<Block>& block, const torch::Tensor& x) {
    return recomputed([block](const torch::Tensor& input) { return block->forward(input); }, x,
                      block->parameters());
  }

  double dropout_;
  nn::Embedding wpe_{nullptr};
  std::vector<std::shared_ptr<Block>> blocks_;
  nn::LayerNorm ln_f_{nullptr};
};

class Gpt : public Model {
 public:
  explicit Gpt(const ModelOptions& options) : context_(options.context), vocab_(options.vocab) {
    transformer_ = register_module("transformer", std::make_shared<Transformer>(options));
    initialise(options.layers);
  }

  torch::Tensor forward(torch::Tensor input) override {
    if (input.dim() != 2 || input.is_floating_point() || input.size(1) > context_) {
      throw Fault{
          ExitCode::kConfig,
          fmt::format(
              "gpt takes integer tokens [N, T] with T <= model.context = {}; the data gives [{}] of {}",
              context_, fmt::join(input.sizes().begin(), input.sizes().end(), ", "),
              torch::toString(input.scalar_type())),
          "use data.type text or tokens, and a model.context that is at least the data's"};
    }
    // Tied by use: one parameter, whose two gradients autograd adds up, and no second name to keep equal.
    try {
      return torch::linear(transformer_->forward(input.to(torch::kInt64)), transformer_->wte->weight);
    } catch (const c10::IndexError&) {
      throw Fault{ExitCode::kConfig,
                  fmt::format("a token is outside model.vocab = {}: the data has {}..{}", vocab_,
                              input.min().item<std::int64_t>(), input.max().item<std::int64_t>()),
                  "set model.vocab above the highest token"};
    }
  }

  bool recompute_blocks() override { return transformer_->recomputes = true; }

 private:
  // GPT-2's: N(0, 0.02), zero biases, and projections into the residual stream scaled down by the number of
  // additions to it.
  void initialise(std::int64_t layers) {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : named_parameters()) {
      const std::string& name = parameter.key();
      const bool residual = name.find("c_proj.weight") != std::string::npos;
      if (parameter.value().dim() >= 2) {
        const double scale = residual ? 1.0 / std::sqrt(2.0 * static_cast<double>(layers)) : 1.0;
        parameter.value().normal_(0.0, kInitDeviation * scale);
      } else if (name.ends_with("bias")) {
        parameter.value().zero_();
      }
    }
  }

  std::int64_t context_;
  std::int64_t vocab_;
  std::shared_ptr<Transformer> transformer_;
};

}  // namespace

std::shared_ptr<Model> make_gpt(const ModelOptions& options) {
  require_positive("layers", options.layers);
  require_positive("heads", options.heads);
  require_positive("width", options.width);
  require_positive("context", options.context);
  require_positive("vocab", options.vocab);
  require_probability(options.dropout);
  if (options.width % options.heads != 0) {
    throw Fault{ExitCode::kConfig,
                fmt::format("model.width is {}, which {} heads do not divide", options.width, options.heads),
                "make model.width a multiple of model.heads"};
  }
  return std::make_shared<Gpt>(options);
}

}  // namespace lockstep
