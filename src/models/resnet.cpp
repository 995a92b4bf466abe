// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "lockstep/base/error.h"
#include "models/builtin.h"

namespace lockstep {
namespace {

namespace nn = torch::nn;

// Blocks of each of the four stages.
struct Depth {
  std::array<int, 4> blocks;
  bool bottleneck;
};

struct BlockShape {
  std::int64_t in;
  std::int64_t planes;
  std::int64_t stride;
  std::int64_t expansion;

  std::int64_t out() const { return planes * expansion; }
  bool changes_shape() const { return stride != 1 || in != out(); }
};

struct ConvShape {
  std::int64_t in;
  std::int64_t out;
  std::int64_t kernel;
  std::int64_t stride = 1;
};

nn::Conv2d conv(const ConvShape& shape) {
  return nn::Conv2d(nn::Conv2dOptions(shape.in, shape.out, shape.kernel)
                        .stride(shape.stride)
                        .padding(shape.kernel / 2)
                        .bias(false));
}

// Two 3x3 convolutions (resnet18, 34), or 1x1, 3x3, 1x1 (resnet50) with the stride on the 3x3 as torchvision
// has it.
class Block : public nn::Module {
 public:
  explicit Block(const BlockShape& shape) {
    // Made before the convolutions and registered after them: torchvision draws and names in these orders.
    if (shape.changes_shape()) {
      downsample_ =
          nn::Sequential(conv({shape.in, shape.out(), 1, shape.stride}), nn::BatchNorm2d(shape.out()));
    }
    if (shape.expansion == 1) {
      add(conv({shape.in, shape.planes, 3, shape.stride}), shape.planes);
      add(conv({shape.planes, shape.planes, 3}), shape.planes);
    } else {
      add(conv({shape.in, shape.planes, 1}), shape.planes);
      add(conv({shape.planes, shape.planes, 3, shape.stride}), shape.planes);
      add(conv({shape.planes, shape.out(), 1}), shape.out());
    }
    if (shape.changes_shape()) register_module("downsample", downsample_);
  }

  torch::Tensor forward(const torch::Tensor& input) {
    const torch::Tensor skip = downsample_.is_empty() ? input : downsample_->forward(input);
    torch::Tensor x = input;
    for (std::size_t i = 0; i < convs_.size(); ++i) {
      x = norms_[i]->forward(convs_[i]->forward(x));
      // The last one comes after the sum with the skip. In place: BatchNorm needs its input for backward, not
      // its output.
      if (i + 1 < convs_.size()) x = x.relu_();
    }
    return x.add_(skip).relu_();
  }

 private:
  void add(nn::Conv2d made, std::int64_t channels) {
    const std::size_t number = convs_.size() + 1;
    convs_.push_back(register_module(fmt::format("conv{}", number), std::move(made)));
    norms_.push_back(register_module(fmt::format("bn{}", number), nn::BatchNorm2d(channels)));
  }

  std::vector<nn::Conv2d> convs_;
  std::vector<nn::BatchNorm2d> norms_;
  nn::Sequential downsample_{nullptr};
};

class ResNet : public Model {
 public:
  ResNet(const Depth& depth, const ModelOptions& options) : imagenet_stem_(options.stem == "imagenet") {
    conv1_ = register_module("conv1", imagenet_stem_ ? conv({3, 64, 7, 2}) : conv({3, 64, 3}));
    bn1_ = register_module("bn1", nn::BatchNorm2d(64));
    const std::int64_t expansion = depth.bottleneck ? 4 : 1;
    std::int64_t in = 64;
    for (std::size_t stage = 0; stage < depth.blocks.size(); ++stage) {
      auto layer = std::make_shared<nn::ModuleListImpl>();
      for (int i = 0; i < depth.blocks[stage]; ++i) {
        const std::int64_t stride = i == 0 && stage > 0 ? 2 : 1;
        blocks_.push_back(std::make_shared<Block>(BlockShape{in, 64 << stage, stride, expansion}));
        layer->push_back(blocks_.back());
        in = (64 << stage) * expansion;
      }
      register_module(fmt::format("layer{}", stage + 1), layer);
    }
    fc_ = register_module("fc", nn::Linear(in, options.classes));
    // In a second pass, as torchvision does, over weights already drawn once by the modules themselves.
    for (const auto& module : modules(/*include_self=*/false)) {
      if (auto* found = module->as<nn::Conv2dImpl>())
        nn::init::kaiming_normal_(found->weight, 0, torch::kFanOut, torch::kReLU);
    }
  }

  torch::Tensor forward(torch::Tensor input) override {
    if (input.dim() != 4 || input.size(1) != 3) {
      throw Fault{ExitCode::kConfig,
                  fmt::format("resnet takes images [N, 3, H, W]; the data gives [{}]",
                              fmt::join(input.sizes().begin(), input.sizes().end(), ", ")),
                  "use data with three colour channels, or model.type: mlp"};
    }
    torch::Tensor x = bn1_->forward(conv1_->forward(input)).relu_();
    if (imagenet_stem_) x = torch::max_pool2d(x, 3, 2, 1);
    for (const auto& block : blocks_) x = block->forward(x);
    return fc_->forward(torch::adaptive_avg_pool2d(x, {1, 1}).flatten(1));
  }

 private:
  bool imagenet_stem_;
  nn::Conv2d conv1_{nullptr};
  nn::BatchNorm2d bn1_{nullptr};
  std::vector<std::shared_ptr<Block>> blocks_;
  nn::Linear fc_{nullptr};
};

Depth depth_of(const std::string& type) {
  if (type == "resnet18") return {{2, 2, 2, 2}, false};
  if (type == "resnet34") return {{3, 4, 6, 3}, false};
  check(type == "resnet50", "make_resnet knows resnet18, resnet34 and resnet50");
  return {{3, 4, 6, 3}, true};
}

}  // namespace

std::shared_ptr<Model> make_resnet(const ModelOptions& options) {
  require_positive("classes", options.classes);
  if (options.stem != "imagenet" && options.stem != "cifar") {
    throw Fault{ExitCode::kConfig, fmt::format("model.stem is '{}'", options.stem), "use imagenet or cifar"};
  }
  return std::make_shared<ResNet>(depth_of(options.type), options);
}

}  // namespace lockstep
