// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/safetensors_file.h"

#include <algorithm>
#include <map>
#include <set>

#include "exchange/formats/safetensors_format.h"
#include "exchange/formats/strided.h"
#include "exchange/formats/torch_types.h"
#include "lockstep/base/error.h"
#include "untrusted/bounded_json.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

using Json = nlohmann::ordered_json;
using safetensors::kLengthBytes;

constexpr std::size_t kMaxDimensions = 32;
constexpr std::size_t kMaxShards = 10'000;
// An entry has three members, two offsets and a shape.
constexpr JsonLimits kLimits{.depth = 4, .values = safetensors::kMaxTensors * 40};

std::string text_of(const ReadableFile& file, std::uint64_t offset, std::uint64_t bytes) {
  std::string text(static_cast<std::size_t>(bytes), '\0');
  file.read_at(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

std::uint64_t header_length(std::span<const std::byte> beginning) {
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    length |= static_cast<std::uint64_t>(beginning[i]) << (8 * i);
  return length;
}

// One tensor as the header has it.
struct Listed {
  TensorRef tensor;
  std::uint64_t first = 0;  // behind the header
  std::uint64_t end = 0;
};

class HeaderReader {
 public:
  HeaderReader(const std::string& origin, std::uint64_t payload) : origin_(origin), payload_(payload) {}

  std::vector<Listed> read(const Json& header) const {
    if (!header.is_object()) refuse_bytes(origin_, "its header is no object");
    if (header.size() > safetensors::kMaxTensors + 1)
      refuse_bytes(origin_, std::to_string(header.size()) + " tensors; at most " +
                                std::to_string(safetensors::kMaxTensors) + " are read");
    std::vector<Listed> tensors;
    for (const auto& [name, entry] : header.items())
      if (name != safetensors::kMetadata) tensors.push_back(read_tensor(name, entry));
    refuse_gaps(tensors);
    return tensors;
  }

 private:
  [[noreturn]] void refuse(const std::string& name, const std::string& fact) const {
    refuse_bytes(origin_, fact + ": tensor " + name);
  }

  std::uint64_t number(const std::string& name, const Json& value) const {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >> 62 != 0)
      refuse(name, "a size or offset that is no number of at least 0");
    return value.get<std::uint64_t>();
  }

  Listed read_tensor(const std::string& name, const Json& entry) const {
    const bool complete = entry.is_object() && entry.size() == 3 && entry.contains("dtype") &&
                          entry.contains("shape") && entry.contains("data_offsets") &&
                          entry["dtype"].is_string() && entry["shape"].is_array() &&
                          entry["data_offsets"].is_array() && entry["data_offsets"].size() == 2;
    if (!complete) refuse(name, "an entry without dtype, shape and data_offsets");
    const std::string type = entry["dtype"].get<std::string>();
    const std::string dtype = safetensors::torch_dtype(type);
    if (dtype.empty()) refuse(name, "dtype " + type + " is not one that is known here");
    const std::size_t element_bytes = *torch_element_size(dtype);
    Listed listed;
    listed.tensor.dtype = dtype;
    listed.first = number(name, entry["data_offsets"][0]);
    listed.end = number(name, entry["data_offsets"][1]);
    if (listed.first > listed.end || listed.end > payload_)
      refuse(name, "it reaches beyond the end of the file");
    if (entry["shape"].size() > kMaxDimensions) refuse(name, "more than 32 dimensions");
    for (const Json& item : entry["shape"])
      listed.tensor.shape.push_back(static_cast<std::int64_t>(number(name, item)));
    set_strides(listed.tensor);
    const auto elements = extent_of({listed.tensor.shape, listed.tensor.stride, element_bytes});
    if (!elements || *elements > payload_ || *elements * element_bytes != listed.end - listed.first)
      refuse(name,
             std::to_string(listed.end - listed.first) + " bytes are not what its shape and dtype take");
    return listed;
  }

  // Row-major. A product that does not fit is found by the caller, so it need only not overflow here.
  static void set_strides(TensorRef& tensor) {
    tensor.stride.assign(tensor.shape.size(), 0);
    std::uint64_t step = 1;
    for (std::size_t i = tensor.shape.size(); i-- > 0;) {
      tensor.stride[i] = static_cast<std::int64_t>(std::min<std::uint64_t>(step, std::uint64_t{1} << 62));
      const auto dimension = static_cast<std::uint64_t>(std::max<std::int64_t>(tensor.shape[i], 1));
      step = step > (std::uint64_t{1} << 62) / dimension ? std::uint64_t{1} << 62 : step * dimension;
    }
  }

  // Every byte behind the header belongs to one tensor: nothing hides between them, and none is read twice.
  void refuse_gaps(const std::vector<Listed>& tensors) const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    for (const Listed& listed : tensors) ranges.emplace_back(listed.first, listed.end);
    std::sort(ranges.begin(), ranges.end());
    std::uint64_t at = 0;
    for (const auto& [first, end] : ranges) {
      if (first != at)
        refuse_bytes(origin_, std::string(first < at ? "tensors overlap" : "bytes belong to no tensor") +
                                  " at offset " + std::to_string(std::min(first, at)));
      at = end;
    }
    if (at != payload_)
      refuse_bytes(origin_, std::to_string(payload_ - at) + " bytes at the end belong to no tensor");
  }

  const std::string& origin_;
  std::uint64_t payload_;
};

// Where a tensor lies: which shard, and where in it.
struct TensorPlace {
  std::shared_ptr<const ReadableFile> file;
  std::uint64_t offset = 0;
  const PyValue* tensor = nullptr;
};

class SafetensorsFile : public ForeignFile {
 public:
  SafetensorsFile() : root_(pool_.make(ValueKind::kDict)) {}

  // Adds a shard's tensors. `origin` names it in messages.
  void add(const std::shared_ptr<const ReadableFile>& file, const std::string& origin) {
    if (file->size() < kLengthBytes) refuse_bytes(origin, "too short");
    const std::string start = text_of(*file, 0, kLengthBytes);
    const std::uint64_t length = header_length(std::as_bytes(std::span(start)));
    if (length > safetensors::kMaxHeader || length > file->size() - kLengthBytes)
      refuse_bytes(origin, "its header claims " + std::to_string(length) + " bytes; the file has " +
                               std::to_string(file->size()) + ", and 64 MiB are the limit");
    const std::uint64_t payload = kLengthBytes + length;
    const Json header = parse_bounded_json(text_of(*file, kLengthBytes, length), origin, kLimits);
    const auto names = header.items();
    std::vector<Listed> listed = HeaderReader(origin, file->size() - payload).read(header);
    auto next = listed.begin();
    for (const auto& [name, entry] : names) {
      if (name == safetensors::kMetadata) continue;
      next->tensor.storage = {name, next->tensor.dtype, 0, 0};
      PyValue* tensor = pool_.tensor(std::move(next->tensor));
      if (!places_.try_emplace(name, TensorPlace{file, payload + next->first, tensor}).second)
        refuse_bytes(origin, "a name is there twice: " + name);
      put(*root_, pool_.text(name), tensor);
      ++next;
    }
    if (header.contains(safetensors::kMetadata)) add_aliases(header[safetensors::kMetadata]);
  }

  bool has(const std::string& name, const std::shared_ptr<const ReadableFile>& file) const {
    const auto found = places_.find(name);
    return found != places_.end() && found->second.file == file;
  }
  std::size_t size() const { return places_.size(); }

  std::string format() const override { return "safetensors"; }
  const PyValue& root() const override { return *root_; }
  void read(const TensorRef& tensor, std::span<std::byte> bytes) const override {
    check(bytes.size() == byte_count(tensor), "a tensor to read into has the bytes its shape says");
    const TensorPlace& place = places_.at(tensor.storage.key);
    if (!bytes.empty()) place.file->read_at(place.offset, bytes);
  }

 private:
  // As safetensors.torch.save_model writes them: {a name that is left out: the name of the same tensor}. What
  // else stands there names no tensor.
  void add_aliases(const Json& metadata) {
    if (!metadata.is_object()) return;
    for (const auto& [name, value] : metadata.items()) {
      if (!value.is_string() || name == "format" || places_.contains(name)) continue;
      const auto first = places_.find(value.get<std::string>());
      if (first != places_.end() && !name.empty() && aliases_.insert(name).second)
        put(*root_, pool_.text(name), pool_.tensor(*first->second.tensor->tensor));
    }
  }

  ValuePool pool_;
  PyValue* root_;
  std::map<std::string, TensorPlace> places_;
  std::set<std::string> aliases_;
};

// A name an index may give a file: beside it, and nowhere else.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name[0] != '.' && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

}  // namespace

bool is_safetensors(std::span<const std::byte> beginning, std::uint64_t file_bytes) {
  if (beginning.size() <= kLengthBytes || beginning[kLengthBytes] != std::byte{'{'}) return false;
  return beginning[0] != std::byte{'{'} || header_length(beginning) <= file_bytes - kLengthBytes;
}

std::unique_ptr<ForeignFile> open_safetensors(std::shared_ptr<const ReadableFile> file,
                                              const std::string& origin) {
  auto opened = std::make_unique<SafetensorsFile>();
  opened->add(file, origin);
  return opened;
}

std::unique_ptr<ForeignFile> open_sharded_safetensors(const ReadableFile& index, const std::string& origin,
                                                      const OpenBeside& open_beside) {
  if (index.size() > safetensors::kMaxHeader) refuse_bytes(origin, "an index of more than 64 MiB");
  const Json json = parse_bounded_json(text_of(index, 0, index.size()), origin, kLimits);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    refuse_bytes(origin, "an index without weight_map");
  auto opened = std::make_unique<SafetensorsFile>();
  std::map<std::string, std::shared_ptr<const ReadableFile>> shards;
  for (const auto& [tensor, file] : json["weight_map"].items()) {
    if (!file.is_string() || !is_plain_name(file.get<std::string>()))
      refuse_bytes(origin,
                   "tensor " + tensor + " lies in a file whose name is not that of one beside the index");
    const std::string name = file.get<std::string>();
    if (!shards.contains(name)) {
      if (shards.size() == kMaxShards) refuse_bytes(origin, "more than 10000 shards");
      shards[name] = open_beside(name);
      opened->add(shards[name], origin + ": " + name);
    }
    if (!opened->has(tensor, shards[name])) refuse_bytes(origin, "tensor " + tensor + " is not in " + name);
  }
  if (opened->size() != json["weight_map"].size())
    refuse_bytes(origin, "its shards hold " + std::to_string(opened->size()) + " tensors, it lists " +
                             std::to_string(json["weight_map"].size()));
  return opened;
}

}  // namespace lockstep
