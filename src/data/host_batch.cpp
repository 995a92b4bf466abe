// SPDX-License-Identifier: Apache-2.0
#include "data/host_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "base/foreign_exception.h"
#include "lockstep/base/error.h"
#include "lockstep/base/random.h"

namespace lockstep {
namespace {

// Keeps the keys of evaluated samples apart from those of training.
constexpr std::uint64_t kChunkKey = 0x6368756e6b;

std::size_t total(std::size_t bytes, std::int64_t count) {
  std::size_t all = 0;
  check(count >= 0 && !__builtin_mul_overflow(bytes, static_cast<std::size_t>(count), &all),
        "a batch fits in memory");
  return all;
}

// Bytes to copy behind what a sample has: zeros, or one label again and again.
std::vector<std::byte> padding_of(DType dtype, std::optional<std::int64_t> label, std::size_t bytes) {
  std::vector<std::byte> padding(bytes);
  const bool is_byte = dtype == DType::kUInt8 || dtype == DType::kBool;
  if (!label) return padding;
  if (is_byte && (*label < 0 || *label > 255))
    throw Fault(
        ExitCode::kConfig,
        fmt::format("data.ignore_label is {}, which a target of {} cannot hold", *label, name_of(dtype)),
        "Make the dataset's target int64");
  // The low bytes of a label are the label in a narrower integer.
  const std::size_t size = size_of(dtype);
  for (std::size_t at = 0; at + size <= bytes; at += size) std::memcpy(&padding[at], &*label, size);
  return padding;
}

// A dataset of somebody's own may throw anything.
DatasetFault fault_of(const ForeignException& thrown, const Dataset& dataset, std::int64_t index) {
  std::string place;
  try {
    place = dataset.place_of(index);
  } catch (...) {
    place = fmt::format("sample {}", index);
  }
  const std::string number = fmt::format("sample {}", index);
  if (place != number) place += " (" + number + ")";
  if (thrown.kind == ForeignException::Kind::kOutOfMemory) {
    const Fault fault = out_of_memory(thrown, "the dataset reading " + place,
                                      "Give the job more memory, or make its samples smaller");
    return {fault.code(), fault.fact(), fault.remedy()};
  }
  return {ExitCode::kBug,
          fmt::format("the dataset threw reading {} of {}: {}", place, dataset.size(), thrown.text),
          "Look at the dataset's sample(), and at what it reads there"};
}

}  // namespace

void HostBatch::add_field(std::size_t number, const Field& field) {
  // The memory of a batch before is used again.
  if (number == fields_.size()) fields_.emplace_back();
  if (number == loose_.size()) loose_.emplace_back();
  fields_[number].field = field;
  loose_[number].resize(field.varies() ? indices_.size() : 0);
  for (std::vector<std::byte>& rows : loose_[number]) rows.clear();
  if (!field.varies()) fields_[number].bytes.resize(total(field.row_bytes(), samples()));
}

void HostBatch::shape(const BatchLayout& layout, std::int64_t count) {
  check(count >= 0, "a batch has samples");
  indices_.assign(static_cast<std::size_t>(count), 0);
  std::size_t number = 0;
  for (const Field& field : layout.fields) {
    if (field.name == layout.target) target_ = number;
    add_field(number++, field);
    if (field.varies()) add_field(number++, {length_name(field.name), DType::kInt64, {}});
  }
  fields_.resize(number);
  loose_.resize(number);
  written_.assign(indices_.size() * number, 0);
}

void HostBatch::fill(std::int64_t slot, const Dataset& dataset, const SampleContext& context) {
  indices_[static_cast<std::size_t>(slot)] = context.index;
  try {
    Sample sample(*this, slot);
    dataset.sample(context, sample);
    require_written(slot);
  } catch (...) {
    throw fault_of(foreign_exception(), dataset, context.index);
  }
}

void HostBatch::require_written(std::int64_t slot) const {
  for (std::size_t number = 0; number < fields_.size(); ++number) {
    const bool counted = number > 0 && !loose_[number - 1].empty();  // lengths are written by finish()
    if (counted || written_[static_cast<std::size_t>(slot) * fields_.size() + number] != 0) continue;
    throw std::logic_error(fmt::format("it writes no {}, one of its fields()", fields_[number].field.name));
  }
}

std::size_t HostBatch::number_of(std::string_view name) const {
  for (std::size_t number = 0; number < fields_.size(); ++number)
    if (fields_[number].field.name == name) return number;
  throw std::logic_error(fmt::format("there is no {} among its fields()", name));
}

const Field& HostBatch::field(std::string_view name) const {
  return fields_[number_of(name)].field;
}

std::span<std::byte> HostBatch::place(std::string_view name, std::int64_t slot) {
  const std::size_t number = number_of(name);
  const Field& field = fields_[number].field;
  if (field.varies())
    throw std::logic_error(fmt::format("{} varies: bytes() and values() need its length", name));
  written_[static_cast<std::size_t>(slot) * fields_.size() + number] = 1;
  const std::size_t bytes = field.row_bytes();
  return fields_[number].bytes.span().subspan(static_cast<std::size_t>(slot) * bytes, bytes);
}

std::span<std::byte> HostBatch::place(std::string_view name, std::int64_t slot, std::int64_t length) {
  const std::size_t number = number_of(name);
  const Field& field = fields_[number].field;
  if (!field.varies()) throw std::logic_error(fmt::format("{} does not vary: it has no length", name));
  written_[static_cast<std::size_t>(slot) * fields_.size() + number] = 1;
  std::vector<std::byte>& rows = loose_[number][static_cast<std::size_t>(slot)];
  rows.resize(total(field.row_bytes(), length));
  return rows;
}

void HostBatch::finish(std::optional<std::int64_t> ignored) {
  for (std::size_t number = 0; number < fields_.size(); ++number) {
    if (loose_[number].empty()) continue;
    const bool labels = number == target_ && !is_floating(fields_[number].field.dtype);
    pad(number, labels ? ignored : std::nullopt);
  }
}

void HostBatch::pad(std::size_t number, std::optional<std::int64_t> label) {
  Field& field = fields_[number].field;
  const Loose& rows = loose_[number];
  const std::size_t row_bytes = field.row_bytes();
  std::size_t longest = 0;
  const auto lengths = fields_[number + 1].bytes.span();
  for (std::size_t slot = 0; slot < rows.size(); ++slot) {
    const auto length = static_cast<std::int64_t>(row_bytes == 0 ? 0 : rows[slot].size() / row_bytes);
    std::memcpy(&lengths[slot * sizeof length], &length, sizeof length);
    longest = std::max(longest, rows[slot].size());
  }
  AlignedBytes& into = fields_[number].bytes;
  into.resize(total(longest, samples()));
  const std::vector<std::byte> padding = padding_of(field.dtype, label, longest);
  for (std::size_t slot = 0; slot < rows.size(); ++slot) {
    const auto place = into.span().subspan(slot * longest, longest);
    std::ranges::copy(rows[slot], place.begin());
    std::copy(padding.begin() + static_cast<std::ptrdiff_t>(rows[slot].size()), padding.end(),
              place.begin() + static_cast<std::ptrdiff_t>(rows[slot].size()));
  }
  field.shape[0] = static_cast<std::int64_t>(row_bytes == 0 ? 0 : longest / row_bytes);
}

void read_chunk(const Dataset& dataset, const Chunk& chunk, HostBatch& into) {
  check(chunk.first >= 0 && chunk.count >= 0 && chunk.first <= dataset.size() &&
            chunk.count <= dataset.size() - chunk.first,
        "a chunk lies inside the dataset");
  dataset.check_unchanged();
  into.shape(layout_of(dataset), chunk.count);
  for (std::int64_t slot = 0; slot < chunk.count; ++slot)
    into.fill(slot, dataset,
              {.index = chunk.first + slot,
               .key = mix_key({kChunkKey, static_cast<std::uint64_t>(chunk.first + slot)})});
  into.finish(chunk.ignored);
}

}  // namespace lockstep
