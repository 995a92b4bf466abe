// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/storage_list.h"

#include <algorithm>

#include "exchange/formats/pickle_reader.h"
#include "exchange/formats/torch_types.h"
#include "untrusted/crc32.h"
#include "untrusted/refusal.h"
#include "untrusted/zip_directory.h"

namespace lockstep {

namespace {

// Of a state_dict of 250 000 tensors it is a tenth.
constexpr std::uint64_t kMaxPickle = 512u << 20;
constexpr std::int64_t kLegacyProtocol = 1001;

std::string small_text(const ReadableFile& file, const ZipEntry& entry, const std::string& origin) {
  if (entry.bytes > 64) refuse_bytes(origin, "entry " + entry.name + " is too long");
  std::string text(static_cast<std::size_t>(entry.bytes), '\0');
  file.read_at(entry.offset, std::as_writable_bytes(std::span(text)));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

void check_crc(const ReadableFile& file, const ZipEntry& entry, const std::string& origin) {
  if (entry.crc == 0) return;
  std::vector<std::byte> bytes(static_cast<std::size_t>(entry.bytes));
  file.read_at(entry.offset, bytes);
  Crc32 crc;
  crc.update(bytes);
  if (crc.value() != entry.crc)
    refuse_bytes(origin, "entry " + entry.name + " does not have the bytes its checksum was made of");
}

// The folder all entries lie in. Whoever packs a file again may give it any name.
std::string top_folder(const std::vector<ZipEntry>& entries, const std::string& origin) {
  constexpr std::string_view kData = "/data.pkl";
  std::string folder;
  for (const ZipEntry& entry : entries) {
    if (!entry.name.ends_with(kData) || std::count(entry.name.begin(), entry.name.end(), '/') != 1) continue;
    if (!folder.empty()) refuse_bytes(origin, "it holds more than one data.pkl");
    folder = entry.name.substr(0, entry.name.size() - kData.size() + 1);
  }
  if (folder.empty()) refuse_bytes(origin, "a zip archive without data.pkl: not what torch.save writes");
  return folder;
}

// Element size of each storage, by what the tensors that use it say.
std::map<std::string, std::uint64_t> element_sizes(const ValuePool& pool, const std::string& origin) {
  std::map<std::string, std::uint64_t> sizes;
  for (const PyValue& value : pool.nodes()) {
    if (value.kind != ValueKind::kStorage) continue;
    const StorageRef& storage = value.tensor->storage;
    const std::uint64_t size = *torch_element_size(storage.dtype);
    const auto [known, fresh] = sizes.try_emplace(storage.key, size);
    if (!fresh && known->second != size)
      refuse_bytes(origin, "storage " + storage.key + " has elements of two sizes");
  }
  return sizes;
}

}  // namespace

TorchContent read_zip_content(const ReadableFile& file, const std::string& origin) {
  const std::vector<ZipEntry> entries = read_zip_directory(file, origin);
  const std::string folder = top_folder(entries, origin);
  TorchContent content;
  content.format = "pth";
  const ZipEntry* pickle = nullptr;
  for (const ZipEntry& entry : entries) {
    if (!entry.name.starts_with(folder)) continue;
    const std::string name = entry.name.substr(folder.size());
    if (name == "constants.pkl")
      refuse_bytes(origin, "it is a TorchScript archive", "Save the module's state_dict() in Python instead");
    if (name == "byteorder" && small_text(file, entry, origin) != "little")
      refuse_bytes(origin, "its numbers are not little-endian");
    if (name == "data.pkl") pickle = &entry;
    if (name.starts_with("data/")) content.storages[name.substr(5)] = {entry.offset, entry.bytes, entry.crc};
  }
  if (pickle->bytes > kMaxPickle)
    refuse_bytes(origin, "data.pkl has " + std::to_string(pickle->bytes) + " bytes, at most " +
                             std::to_string(kMaxPickle) + " are read");
  check_crc(file, *pickle, origin);
  ByteStream in(file, pickle->offset, pickle->offset + pickle->bytes, origin + ": data.pkl");
  content.root = read_pickle(in, content.pool);
  if (in.remaining() != 0) refuse_bytes(origin, "data.pkl goes on after its end");
  return content;
}

TorchContent read_legacy_content(const ReadableFile& file, std::uint64_t start, const std::string& origin) {
  TorchContent content;
  content.format = "pth (legacy)";
  ByteStream in(file, start, std::min(file.size(), start + kMaxPickle), origin);
  const PyValue* protocol = read_pickle(in, content.pool);
  if (!protocol->is_int() || protocol->integer != kLegacyProtocol)
    refuse_bytes(origin, "a legacy file of another protocol than 1001");
  const PyValue* order = read_pickle(in, content.pool)->find("little_endian");
  if (order == nullptr || order->kind != ValueKind::kBool || order->integer != 1)
    refuse_bytes(origin, "its numbers are not little-endian");
  content.root = read_pickle(in, content.pool);
  const PyValue* keys = read_pickle(in, content.pool);
  const auto sizes = element_sizes(content.pool, origin);
  std::uint64_t at = in.position();
  if (keys->kind != ValueKind::kList) refuse_bytes(origin, "its list of storages is no list");
  for (const PyValue* key : keys->items) {
    const auto size = key->is_text() ? sizes.find(key->text) : sizes.end();
    if (size == sizes.end()) refuse_bytes(origin, "it lists a storage that no tensor uses");
    const std::uint64_t elements = ByteStream(file, at, std::min(file.size(), at + 8), origin).number(8);
    at += 8;
    if (elements > (file.size() - at) / size->second)
      refuse_bytes(origin, "storage " + key->text + " claims " + std::to_string(elements) +
                               " elements, more than the file has");
    if (!content.storages.try_emplace(key->text, StoragePlace{at, elements * size->second, 0}).second)
      refuse_bytes(origin, "storage " + key->text + " is there twice");
    at += elements * size->second;
  }
  if (at != file.size()) refuse_bytes(origin, "it goes on after its last storage");
  return content;
}

}  // namespace lockstep
