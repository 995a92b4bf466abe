// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/torch_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>

#include "exchange/formats/storage_list.h"
#include "exchange/formats/strided.h"
#include "exchange/formats/torch_types.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "untrusted/crc32.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

// An expanded tensor has more elements than its storage. Below this nobody minds.
constexpr std::uint64_t kSmall = 64 * 1024;
constexpr std::size_t kPiece = 1u << 20;

constexpr std::string_view kZipStart = "PK\x03\x04";
// PROTO 2, LONG1 of 10 bytes, 0x1950a86a20f9469cfc6c, STOP.
constexpr std::string_view kLegacyStart = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e";

class TorchFile : public ForeignFile {
 public:
  TorchFile(std::shared_ptr<const ReadableFile> file, std::string origin, TorchContent content)
      : file_(std::move(file)), origin_(std::move(origin)), content_(std::move(content)) {
    // All of them, also those no one can reach: then read() need not look again.
    for (const PyValue& value : content_.pool.nodes())
      if (value.is_tensor()) admit(*value.tensor);
  }

  std::string format() const override { return content_.format; }
  const PyValue& root() const override { return *content_.root; }

  void read(const TensorRef& tensor, std::span<std::byte> bytes) const override {
    const Strided layout = layout_of(tensor);
    const StoragePlace& place = content_.storages.at(tensor.storage.key);
    check(bytes.size() == byte_count(tensor), "a tensor to read into has the bytes its shape says");
    if (!tensor.obstacle.empty()) refuse(tensor, "cannot be read: " + tensor.obstacle);
    if (bytes.empty()) return;
    const std::uint64_t first =
        place.offset +
        (tensor.storage.first + static_cast<std::uint64_t>(tensor.offset)) * layout.element_bytes;
    if (is_contiguous(layout)) {
      file_->read_at(first, bytes);
      if (bytes.size() == place.bytes)
        check_sum(tensor, bytes);
      else
        check_storage(tensor);
      return;
    }
    std::vector<std::byte> extent(*extent_of(layout) * layout.element_bytes);
    file_->read_at(first, extent);
    check_storage(tensor);
    gather(layout, extent, bytes);
  }

 private:
  [[noreturn]] void refuse(const TensorRef& tensor, const std::string& fact) const {
    refuse_bytes(origin_, "a " + tensor.dtype + " tensor in storage " + tensor.storage.key + " " + fact);
  }

  Strided layout_of(const TensorRef& tensor) const {
    return {tensor.shape, tensor.stride, *torch_element_size(tensor.dtype)};
  }

  // Every sum and product is bounded: a file of 2 kB can claim 2^60 elements.
  void admit(const TensorRef& tensor) const {
    const Strided layout = layout_of(tensor);
    const auto found = content_.storages.find(tensor.storage.key);
    if (found == content_.storages.end()) refuse(tensor, "has no such storage in the file");
    const std::uint64_t elements = found->second.bytes / layout.element_bytes;
    const auto extent = extent_of(layout);
    const auto offset = static_cast<std::uint64_t>(tensor.offset);
    const StorageRef& storage = tensor.storage;
    const std::uint64_t view_bytes = *torch_element_size(storage.dtype);
    // A view of a storage counts in its own elements.
    const bool view_fits = storage.elements <= found->second.bytes / view_bytes &&
                           storage.first <= found->second.bytes / view_bytes - storage.elements;
    if (!view_fits)
      refuse(tensor, "is part of a storage of " + std::to_string(found->second.bytes) +
                         " bytes that would have to be larger");
    if (storage.first != 0 && view_bytes != layout.element_bytes)
      refuse(tensor, "has another type than its storage");
    if (!extent || *extent > elements || storage.first + offset > elements - *extent)
      if (!extent || *extent != 0)
        refuse(tensor, "reaches beyond its " + std::to_string(found->second.bytes) + " bytes");
    std::uint64_t bytes = layout.element_bytes;
    const std::uint64_t limit = std::max(file_->size(), kSmall);
    for (const std::int64_t dimension : tensor.shape) {
      const auto factor = static_cast<std::uint64_t>(std::max<std::int64_t>(dimension, 1));
      if (bytes > (*extent == 0 ? std::uint64_t{1} << 50 : limit) / factor)
        refuse(tensor, "claims more bytes than the file has (" + std::to_string(file_->size()) + ")");
      bytes *= factor;
    }
  }

  void compare(const TensorRef& tensor, std::uint32_t crc) const {
    const StoragePlace& place = content_.storages.at(tensor.storage.key);
    if (place.crc != 0 && crc != place.crc && !fault_requested("guard.skip_digest"))
      refuse(tensor, "does not have the bytes its checksum was made of: the file is damaged");
    checked_.insert(tensor.storage.key);
  }

  void check_sum(const TensorRef& tensor, std::span<const std::byte> bytes) const {
    if (content_.storages.at(tensor.storage.key).crc == 0) return;
    Crc32 crc;
    crc.update(bytes);
    compare(tensor, crc.value());
  }

  // The checksum is one over the whole storage, of which the tensor may be a small part.
  void check_storage(const TensorRef& tensor) const {
    const StoragePlace& place = content_.storages.at(tensor.storage.key);
    if (place.crc == 0 || checked_.contains(tensor.storage.key)) return;
    Crc32 crc;
    std::vector<std::byte> piece(static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, place.bytes)));
    for (std::uint64_t at = 0; at < place.bytes; at += piece.size()) {
      piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), place.bytes - at)));
      file_->read_at(place.offset + at, piece);
      crc.update(piece);
    }
    compare(tensor, crc.value());
  }

  std::shared_ptr<const ReadableFile> file_;
  std::string origin_;
  TorchContent content_;
  mutable std::set<std::string> checked_;
};

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

bool is_torch_file(std::span<const std::byte> beginning) {
  const std::string_view text = as_text(beginning);
  return text.starts_with(kZipStart) || text.starts_with(kLegacyStart);
}

std::unique_ptr<ForeignFile> open_torch_file(std::shared_ptr<const ReadableFile> file,
                                             const std::string& origin) {
  std::vector<std::byte> start(static_cast<std::size_t>(std::min<std::uint64_t>(file->size(), 512)));
  file->read_at(0, start);
  const std::string_view text = as_text(start);
  TorchContent content;
  if (text.starts_with(kZipStart)) {
    content = read_zip_content(*file, origin);
  } else if (text.starts_with(kLegacyStart)) {
    content = read_legacy_content(*file, kLegacyStart.size(), origin);
  } else if (text.size() > 262 && text.substr(257, 5) == "ustar") {
    refuse_bytes(origin, "the tar layout from before PyTorch 0.1.10 is not read",
                 "Load it with PyTorch and save it again");
  } else {
    refuse_bytes(origin, "it is not what torch.save writes");
  }
  return std::make_unique<TorchFile>(std::move(file), origin, std::move(content));
}

}  // namespace lockstep
