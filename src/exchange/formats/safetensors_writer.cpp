// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/safetensors_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "exchange/formats/safetensors_format.h"

namespace lockstep {

namespace {

using Json = nlohmann::json;

}  // namespace

std::uint64_t write_safetensors(WritableFile& file, std::span<const OutgoingTensor> tensors,
                                const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[safetensors::kMetadata] = metadata;
  std::uint64_t payload = 0;
  for (const OutgoingTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", safetensors::type_name(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {payload, payload + byte_count(tensor)}}};
    payload += byte_count(tensor);
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string length;
  for (std::size_t i = 0; i < safetensors::kLengthBytes; ++i)
    length.push_back(static_cast<char>(text.size() >> (8 * i)));
  text.insert(0, length);
  file.write_at(0, std::as_bytes(std::span(text)));
  std::uint64_t at = text.size();
  for (const OutgoingTensor& tensor : tensors) {
    const std::vector<std::byte> bytes = tensor.content();
    if (!bytes.empty()) file.write_at(at, bytes);
    at += bytes.size();
  }
  return at;
}

std::vector<SafetensorsShard> split_into_shards(std::span<const OutgoingTensor> tensors,
                                                std::uint64_t max_bytes) {
  std::vector<SafetensorsShard> shards;
  std::uint64_t filled = 0;
  for (const OutgoingTensor& tensor : tensors) {
    if (shards.empty() || (filled > 0 && filled + byte_count(tensor) > max_bytes)) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().tensors.push_back(tensor);
    filled += byte_count(tensor);
  }
  for (std::size_t i = 0; i < shards.size(); ++i)
    shards[i].name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
  return shards;
}

std::string safetensors_index(std::span<const SafetensorsShard> shards) {
  std::uint64_t total = 0;
  Json map = Json::object();
  for (const SafetensorsShard& shard : shards)
    for (const OutgoingTensor& tensor : shard.tensors) {
      map[tensor.name] = shard.name;
      total += byte_count(tensor);
    }
  return Json{{"metadata", {{"total_size", total}}}, {"weight_map", map}}.dump(2) + "\n";
}

}  // namespace lockstep
