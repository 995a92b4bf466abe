// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/shard.h"

#include <algorithm>
#include <cstring>

#include "checkpoint/digest.h"
#include "checkpoint/manifest.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

// Ranks of one job run one program on machines of one kind, so that plain bytes will do.
class Encoder {
 public:
  void number(std::uint64_t value) { text_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void digest(const Digest& value) {
    number(value.high);
    number(value.low);
  }
  void text(const std::string& value) {
    number(value.size());
    text_ += value;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view text) : rest_(text) {}

  std::uint64_t number() {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
    return value;
  }
  Digest digest() {
    const std::uint64_t high = number();
    return {high, number()};
  }
  std::string text() { return std::string(bytes(number())); }
  // How many items of at least `least` bytes follow.
  std::size_t count(std::size_t least) {
    const std::uint64_t items = number();
    check(items <= rest_.size() / least, "an encoded shard is as long as it says");
    return items;
  }
  void end() const { check(rest_.empty(), "an encoded shard has nothing behind it"); }

 private:
  std::string_view bytes(std::uint64_t size) {
    check(size <= rest_.size(), "an encoded shard is as long as it says");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest_;
};

}  // namespace

ShardPlan plan_consolidated(std::span<const StateTensor> tensors) {
  ShardPlan plan{kConsolidated, {{"checkpoint.h5", {}}}};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Shape& shape = tensors[i].shape;
    plan.shards[0].pieces.push_back({i, 0, shape.empty() ? 1 : shape[0]});
  }
  return plan;
}

PlannedState plan_state(const CheckpointState& state) {
  // Each path is made once: a save has thousands of tensors, and the training waits for this.
  std::vector<std::pair<std::string, const StateTensor*>> by_path;
  for (const StateTensor& tensor : state.tensors) by_path.emplace_back(tensor.key.path(), &tensor);
  std::sort(by_path.begin(), by_path.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const auto twin = std::adjacent_find(by_path.begin(), by_path.end(),
                                       [](const auto& a, const auto& b) { return a.first == b.first; });
  check(twin == by_path.end(), "every tensor of a state has a path of its own");
  PlannedState out{&state.record, {}, {}};
  for (const auto& [path, tensor] : by_path) out.tensors.push_back(*tensor);
  for (const StateTensor& tensor : out.tensors)
    check(tensor.bytes.size() == byte_count(tensor), "a tensor has the bytes its shape says");
  out.plan = plan_consolidated(out.tensors);
  return out;
}

StateTensor piece_of(std::span<const StateTensor> tensors, const ShardPiece& piece) {
  const StateTensor& whole = tensors[piece.tensor];
  if (whole.shape.empty() || piece.rows == whole.shape[0]) return whole;
  const std::size_t row = whole.bytes.size() / static_cast<std::size_t>(whole.shape[0]);
  return {{whole.key, rows_of(whole, piece.rows)},
          whole.bytes.subspan(static_cast<std::size_t>(piece.first_row) * row,
                              static_cast<std::size_t>(piece.rows) * row)};
}

std::string encode_shard(const WrittenShard& shard) {
  Encoder out;
  out.text(shard.file);
  out.number(shard.written.bytes);
  out.digest(shard.written.digest);
  out.number(shard.written.datasets.size());
  for (const WrittenDataset& dataset : shard.written.datasets) {
    out.number(dataset.offset);
    out.number(dataset.leaves.size());
    for (const Digest& leaf : dataset.leaves) out.digest(leaf);
  }
  return out.take();
}

WrittenShard decode_shard(std::string_view text) {
  Decoder in(text);
  WrittenShard shard;
  shard.file = in.text();
  shard.written.bytes = in.number();
  shard.written.digest = in.digest();
  shard.written.datasets.resize(in.count(16));
  for (WrittenDataset& dataset : shard.written.datasets) {
    dataset.offset = in.number();
    dataset.leaves.resize(in.count(16));
    for (Digest& leaf : dataset.leaves) leaf = in.digest();
  }
  in.end();
  return shard;
}

}  // namespace lockstep
