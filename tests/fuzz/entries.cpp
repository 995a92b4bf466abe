// SPDX-License-Identifier: Apache-2.0
#include "fuzz/entries.h"

#include <algorithm>

#include "checkpoint/digest.h"
#include "checkpoint/manifest.h"
#include "config/load.h"
#include "exchange/formats/foreign_file.h"
#include "exchange/formats/json_value.h"
#include "exchange/formats/optimizer_state.h"
#include "exchange/formats/safetensors_file.h"
#include "exchange/formats/state_dict.h"
#include "exchange/formats/torch_file.h"
#include "exchange/formats/zip_writer.h"
#include "exchange/weights.h"
#include "fuzz/refusal_code.h"

namespace lockstep {

namespace {

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// No tensor is larger than what it came from, whatever it shares; below this nobody minds.
void check_size(std::size_t tensor_bytes, std::size_t file_bytes) {
  constexpr std::size_t kSmall = 64 * 1024;
  check(tensor_bytes <= std::max(file_bytes, kSmall), "a tensor is no larger than its file");
}

// What a dtype of Lockstep's lacks is left out.
Contents contents_of(const ForeignFile& file, std::size_t file_bytes) {
  Contents out;
  for (const NamedTensor& tensor : flatten_state_dict(file.root(), "file").tensors) {
    if (!dtype_from_name(tensor.tensor->dtype)) continue;
    Bytes& bytes = out[tensor.name];
    check_size(byte_count(*tensor.tensor), file_bytes);
    bytes.resize(byte_count(*tensor.tensor));
    file.read(*tensor.tensor, bytes);
  }
  return out;
}

// What an import looks at besides the tensors.
void look_for_parts(const ForeignFile& file) {
  const StateDictPair parts = find_state_dicts(file.root(), {}, "file");
  flatten_state_dict(*parts.model, "file");
  if (parts.optimizer == nullptr) return;
  for (const auto& slots : read_optimizer_state(*parts.optimizer, "file").parameters)
    for (const auto& [slot, value] : slots) as_number(*value, file);
}

std::optional<Contents> read_torch(std::span<const std::byte> bytes) {
  return unless_refused(ExitCode::kNoValidCheckpoint, [&] {
    const auto file = open_torch_file(std::make_shared<MemoryFile>(bytes), "fuzz.pth");
    Contents contents = contents_of(*file, bytes.size());
    json_of(file->root());
    unless_refused(ExitCode::kNoValidCheckpoint, [&] {
      look_for_parts(*file);
      return Contents();
    });
    return contents;
  });
}

}  // namespace

std::optional<Contents> fuzz_pth(std::span<const std::byte> bytes) {
  return read_torch(bytes);
}

std::optional<Contents> fuzz_pickle(std::span<const std::byte> bytes) {
  MemoryFile file;
  ZipWriter zip(file);
  zip.add("fuzz/data.pkl", text_of(bytes));
  zip.add("fuzz/byteorder", "little");
  for (const char* key : {"0", "1", "2", "3"}) zip.add(std::string("fuzz/data/") + key, std::string(64, 'x'));
  zip.add("fuzz/version", "3\n");
  zip.finish();
  return read_torch(file.bytes());
}

std::optional<Contents> fuzz_safetensors(std::span<const std::byte> bytes) {
  return unless_refused(ExitCode::kNoValidCheckpoint, [&] {
    Contents contents =
        contents_of(*open_safetensors(std::make_shared<MemoryFile>(bytes), "fuzz.safetensors"), bytes.size());
    std::size_t all = 0;
    for (const auto& [name, content] : contents) all += content.size();
    check(all < bytes.size(), "no two tensors share bytes");
    return contents;
  });
}

std::optional<Contents> fuzz_safetensors_index(std::span<const std::byte> index,
                                               std::span<const std::byte> shard) {
  return unless_refused(ExitCode::kNoValidCheckpoint, [&] {
    const auto file = std::make_shared<MemoryFile>(shard);
    const auto open_beside = [&](const std::string& name) {
      check(name.find('/') == std::string::npos && name != "." && name != "..",
            "a shard lies beside its index");
      return file;
    };
    return contents_of(*open_sharded_safetensors(MemoryFile(index), "fuzz.json", open_beside), shard.size());
  });
}

std::optional<Contents> fuzz_safetensors_index(std::span<const std::byte> bytes) {
  const auto end = static_cast<std::size_t>(std::ranges::find(bytes, std::byte{0}) - bytes.begin());
  return fuzz_safetensors_index(bytes.first(end), bytes.subspan(std::min(end + 1, bytes.size())));
}

std::optional<Contents> fuzz_hdf5(std::span<const std::byte> bytes) {
  return unless_refused(ExitCode::kNoValidCheckpoint, [&] {
    const auto source = read_weights_file(std::make_shared<MemoryFile>(bytes), "fuzz.h5");
    Contents out;
    for (const WeightsTensor& tensor : source->tensors()) {
      check_size(byte_count(tensor), bytes.size());
      Bytes& content = out[tensor.key.name];
      content.resize(byte_count(tensor));
      source->read(tensor.key.name, content);
    }
    return out;
  });
}

std::optional<Contents> fuzz_manifest(std::span<const std::byte> bytes) {
  const std::string text = text_of(bytes);
  const std::string sealed = text + "\"manifest_digest\": \"" + digest_of(text).hex() + "\"\n}\n";
  return unless_refused(ExitCode::kNoValidCheckpoint, [&] {
    const std::string written = write_manifest(parse_manifest(sealed, "fuzz"));
    check(write_manifest(parse_manifest(written, "again")) == written, "a manifest reads back equal");
    return Contents{{"manifest", MemoryFile(written).bytes()}};
  });
}

std::optional<Contents> fuzz_config(std::span<const std::byte> bytes) {
  return unless_refused(ExitCode::kConfig, [&] {
    load_config_text(text_of(bytes), {"fuzz.yaml", "/nowhere", true}, {});
    return Contents{{"config", Bytes(bytes.begin(), bytes.end())}};
  });
}

const std::map<std::string, FuzzEntry>& fuzz_entries() {
  static const std::map<std::string, FuzzEntry> entries = {
      {"cifar10", fuzz_cifar10},
      {"config", fuzz_config},
      {"hdf5", fuzz_hdf5},
      {"hdf5_data", fuzz_hdf5_data},
      {"idx", fuzz_idx},
      {"manifest", fuzz_manifest},
      {"npz", fuzz_npz},
      {"pickle", fuzz_pickle},
      {"pth", fuzz_pth},
      {"safetensors", fuzz_safetensors},
      {"safetensors_index", static_cast<FuzzEntry>(fuzz_safetensors_index)},
      {"tokens", fuzz_tokens}};
  return entries;
}

}  // namespace lockstep
