// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "checkpoint/state.h"
#include "lockstep/base/random.h"

namespace lockstep {

// Name, dtype and shape of every tensor that a run of resnet18 (stem cifar, 4 classes) with AdamW saves:
// split and whole ones, integers and 0-dim ones, 134 MB of them. A test of the real binary compares this list
// with what it writes.
class Resnet18Tensors {
 public:
  struct Tensor {
    TensorKey key;
    DType dtype;
    Shape shape;
  };

  Resnet18Tensors() {
    convolution("conv1", 64, 3, 3);
    norm("bn1", 64);
    std::int64_t in = 64;
    for (std::int64_t stage = 1; stage <= 4; ++stage) {
      const std::int64_t out = 32 << stage;
      for (int block = 0; block < 2; ++block) {
        const std::string name = "layer" + std::to_string(stage) + "." + std::to_string(block) + ".";
        convolution(name + "conv1", out, in, 3);
        norm(name + "bn1", out);
        convolution(name + "conv2", out, out, 3);
        norm(name + "bn2", out);
        if (in != out) {
          convolution(name + "downsample.0", out, in, 1);
          norm(name + "downsample.1", out);
        }
        in = out;
      }
    }
    parameter("fc.weight", {4, 512});
    parameter("fc.bias", {4});
    list_.push_back({{"step", "all_parameters"}, DType::kFloat32, {}});
  }

  const std::vector<Tensor>& list() const { return list_; }

 private:
  void parameter(const std::string& name, const Shape& shape) {
    for (const char* slot : {"", "exp_avg", "exp_avg_sq"})
      list_.push_back({{slot, name}, DType::kFloat32, shape});
  }
  void convolution(const std::string& name, std::int64_t out, std::int64_t in, std::int64_t kernel) {
    parameter(name + ".weight", {out, in, kernel, kernel});
  }
  void norm(const std::string& name, std::int64_t channels) {
    parameter(name + ".weight", {channels});
    parameter(name + ".bias", {channels});
    list_.push_back({{"", name + ".running_mean"}, DType::kFloat32, {channels}});
    list_.push_back({{"", name + ".running_var"}, DType::kFloat32, {channels}});
    list_.push_back({{"", name + ".num_batches_tracked"}, DType::kInt64, {}});
  }

  std::vector<Tensor> list_;
};

// Such a state with values that depend on the step alone.
class Resnet18State {
 public:
  explicit Resnet18State(std::int64_t step) {
    state.record.run_id = "resnet18-under-test";
    state.record.step = Step{step};
    std::uint64_t word = mix_key({18, static_cast<std::uint64_t>(step)});
    const Resnet18Tensors tensors;
    for (const auto& [key, dtype, shape] : tensors.list()) {
      auto& memory = memory_.emplace_back(static_cast<std::size_t>(element_count(shape)) * size_of(dtype));
      for (std::size_t at = 0; at < memory.size(); at += sizeof word) {
        word = word * 6364136223846793005u + 1442695040888963407u;
        std::memcpy(memory.data() + at, &word, std::min(sizeof word, memory.size() - at));
      }
      state.tensors.push_back({{key, dtype, shape}, memory});
    }
  }

  CheckpointState state;

 private:
  std::deque<std::vector<std::byte>> memory_;
};

}  // namespace lockstep
