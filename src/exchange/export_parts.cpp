// SPDX-License-Identifier: Apache-2.0
#include "exchange/export_parts.h"

#include <algorithm>

#include "lockstep/base/error.h"

namespace lockstep {

namespace {

constexpr std::uint64_t kReadAhead = 128u << 20;

}  // namespace

TiedNames tied_names(const Manifest& manifest, const TiedNames& second_names) {
  const auto has = [&](const std::string& name) {
    return std::ranges::any_of(manifest.tensors,
                               [&](const auto& t) { return t.key.in_model() && t.key.name == name; });
  };
  TiedNames tied = second_names;
  std::erase_if(tied, [&](const auto& names) { return !has(names.second) || has(names.first); });
  return tied;
}

std::vector<const ManifestTensor*> model_in_order(const Manifest& manifest) {
  std::map<std::string, const ManifestTensor*> rest;
  for (const ManifestTensor& tensor : manifest.tensors)
    if (tensor.key.in_model()) rest[tensor.key.name] = &tensor;
  std::vector<const ManifestTensor*> order;
  for (const std::string& name : manifest.record.parameter_order) {
    const auto found = rest.find(name);
    if (found == rest.end()) continue;
    order.push_back(found->second);
    rest.erase(found);
  }
  for (const auto& [name, tensor] : rest) order.push_back(tensor);
  return order;
}

CheckpointBytes::CheckpointBytes(const CheckpointReader& from, std::vector<const ManifestTensor*> order)
    : from_(from), order_(std::move(order)) {}

void CheckpointBytes::fill(std::size_t index, std::span<std::byte> bytes) {
  check(index < order_.size(), "a tensor that is asked for is on the list");
  if (index < first_ || index >= first_ + slots_.size()) load(index);
  const std::vector<std::byte>& content = memory_[slots_[index - first_]];
  check(content.size() == bytes.size(), "a tensor has the bytes its shape says");
  std::copy(content.begin(), content.end(), bytes.begin());
}

void CheckpointBytes::load(std::size_t first) {
  slots_.clear();
  first_ = first;
  std::vector<const ManifestTensor*> unique;
  std::map<const ManifestTensor*, std::size_t> slot_of;
  std::uint64_t bytes = 0;
  // Every parameter asks for the one step count of the optimizer.
  for (std::size_t i = first; i < order_.size() && (i == first || bytes < kReadAhead); ++i) {
    const auto [slot, is_new] = slot_of.emplace(order_[i], unique.size());
    slots_.push_back(slot->second);
    if (!is_new) continue;
    unique.push_back(order_[i]);
    bytes += byte_count(*order_[i]);
  }
  memory_.clear();
  for (const ManifestTensor* tensor : unique) memory_.emplace_back(byte_count(*tensor));
  std::vector<MutableStateTensor> into;
  for (std::size_t i = 0; i < unique.size(); ++i) into.push_back({*unique[i], memory_[i]});
  from_.read(into, /*all=*/false);
}

void write_beside(Disk& disk, const std::string& path,
                  const std::function<std::string(const std::string& part)>& write) {
  if (disk.info(path))
    throw Fault(ExitCode::kUsage, path + " is there already",
                "Remove it, or choose another name for the output");
  // Beside the target, because a rename is atomic within a file system only.
  const std::string part = path + ".part";
  remove_tree(disk, part);
  try {
    disk.rename(write(part), path);
  } catch (...) {
    // A full disk needs its room back; what cannot be removed now has a name that says what it is.
    try {
      remove_tree(disk, part);
    } catch (const Fault&) {
    }
    throw;
  }
  remove_tree(disk, part);
  disk.sync_directory(parent_of(path));
}

}  // namespace lockstep
