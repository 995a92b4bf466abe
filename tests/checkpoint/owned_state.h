// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "checkpoint/reader.h"
#include "checkpoint/state.h"
#include "lockstep/base/random.h"

namespace lockstep {

// A state that owns its memory: every dtype, a 0-dim tensor, an empty one, names with dots and slashes, one
// larger than a leaf.
class OwnedState {
 public:
  explicit OwnedState(std::int64_t step, std::uint64_t seed = 1, std::int64_t rows = 40) {
    state.record.run_id = "run-under-test";
    state.record.step = Step{step};
    state.record.epoch = Epoch{2};
    state.record.steps_per_epoch = 10;
    state.record.epoch_offset = ((step - 1) % 10 + 1) * 64;
    state.record.epoch_samples = 640;
    state.record.loss = 0.1 + static_cast<double>(step) / 3.0;
    state.record.lr = 1e-3;
    state.record.seed = 0xFFFFFFFFFFFFFFF0ull;
    state.record.micro_batches = 12;
    state.record.world = WorldSize{4};
    state.record.attempt = Attempt{3};
    state.record.config = {{"optim.type", "adamw"}, {"model.type", "mlp"}};
    state.record.environment = {{"torch", "2.11.0"}};
    state.record.metadata = R"({"note":"free","nested":{"list":[1,2.5,"x"]}})";
    const std::uint64_t key = mix_key({seed, static_cast<std::uint64_t>(step)});
    add(key, {"", "layers.0.weight"}, DType::kFloat32, {rows, 784});
    add(key, {"", "layers.0.bias"}, DType::kFloat32, {128});
    add(key, {"", "scale"}, DType::kFloat64, {});
    add(key, {"", "empty"}, DType::kFloat32, {0, 3});
    add(key, {"", "odd/name%"}, DType::kInt16, {3});
    add(key, {"", "bn.num_batches_tracked"}, DType::kInt64, {});
    add(key, {"", "half"}, DType::kFloat16, {5});
    add(key, {"", "brain"}, DType::kBFloat16, {2, 3});
    add(key, {"", "e4m3"}, DType::kFloat8E4M3, {7});
    add(key, {"", "e5m2"}, DType::kFloat8E5M2, {7});
    add(key, {"", "mask"}, DType::kBool, {4});
    add(key, {"", "bytes"}, DType::kUInt8, {4});
    add(key, {"", "tiny"}, DType::kInt8, {4});
    add(key, {"", "ids"}, DType::kInt32, {4});
    add(key, {"exp_avg", "layers.0.weight"}, DType::kFloat32, {rows, 784});
    add(key, {"exp_avg_sq", "layers.0.weight"}, DType::kFloat32, {rows, 784});
  }

  // Tensors shaped like these, with memory of their own, all zero.
  std::vector<MutableStateTensor> blank() {
    std::vector<MutableStateTensor> out;
    for (const StateTensor& tensor : state.tensors) {
      auto& memory = memory_.emplace_back(tensor.bytes.size());
      out.push_back({tensor, memory});
    }
    return out;
  }

  void add_tensor(const TensorKey& name, DType dtype, const Shape& shape) {
    add(static_cast<std::uint64_t>(state.record.step.value), name, dtype, shape);
  }

  std::vector<std::byte>& memory(std::size_t tensor) { return memory_[tensor]; }

  CheckpointState state;

 private:
  void add(std::uint64_t key, const TensorKey& name, DType dtype, const Shape& shape) {
    auto& memory = memory_.emplace_back(static_cast<std::size_t>(element_count(shape)) * size_of(dtype));
    for (std::size_t i = 0; i < memory.size(); ++i)
      memory[i] = static_cast<std::byte>(
          dtype == DType::kBool ? i % 2 : mix_key({key, state.tensors.size(), i}) & 0x3f);
    state.tensors.push_back({{name, dtype, shape}, memory});
  }

  std::deque<std::vector<std::byte>> memory_;
};

// Every tensor of the checkpoint is that of the state, bit for bit.
inline void expect_reads_back(const CheckpointReader& reader, OwnedState& owned) {
  const auto blank = owned.blank();
  reader.read(blank, true);
  for (std::size_t i = 0; i < blank.size(); ++i)
    EXPECT_TRUE(
        std::equal(blank[i].bytes.begin(), blank[i].bytes.end(), owned.state.tensors[i].bytes.begin()))
        << blank[i].key.path();
}

}  // namespace lockstep
