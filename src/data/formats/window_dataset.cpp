// SPDX-License-Identifier: Apache-2.0
#include "data/formats/window_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "data/hold_out.h"
#include "data/normalizer.h"
#include "data/refuse.h"
#include "data/spec_digest.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are read as they lie");

template <class Value>
void widen(const std::byte* from, std::span<std::byte> into) {
  const auto* values = reinterpret_cast<const Value*>(from);
  auto* wide = reinterpret_cast<std::int64_t*>(into.data());
  for (std::size_t i = 0; i < into.size() / sizeof(std::int64_t); ++i) wide[i] = values[i];
}

template <class Value>
void check_values_of(const MappedFile& file, std::size_t header, std::int64_t vocab) {
  // Blocks of a constant size: the compiler turns their inner loop into vector instructions.
  constexpr std::size_t kBlock = 4096;
  const auto payload = file.bytes().subspan(header);
  const std::span<const Value> values(reinterpret_cast<const Value*>(payload.data()),
                                      payload.size() / sizeof(Value));
  std::size_t start = 0;
  while (start < values.size()) {
    Value largest = 0;
    std::size_t end = std::min(values.size(), start + kBlock);
    if (end - start == kBlock) {
      const Value* block = values.data() + start;
      for (std::size_t i = 0; i < kBlock; ++i) largest = std::max(largest, block[i]);
    } else {
      for (std::size_t i = start; i < end; ++i) largest = std::max(largest, values[i]);
    }
    if (largest >= vocab) break;
    start = end;
  }
  if (start >= values.size()) return;
  // The first bad block is searched again for the position to name.
  while (values[start] < vocab) ++start;
  refuse_file(
      file.path(),
      fmt::format("value {} at position {} is not below the vocabulary of {}", values[start], start, vocab),
      "Raise model.vocab, or use the data the model is meant for.");
}

std::vector<std::string> held_out_files(const std::vector<std::string>& files, std::int64_t n,
                                        DataPart part) {
  std::vector<std::string> chosen;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const bool held_out = static_cast<std::int64_t>(i) % n == n - 1;
    if (held_out == (part == DataPart::kValid)) chosen.push_back(files[i]);
  }
  if (chosen.empty())
    refuse_option(fmt::format("data.holdout_every = {} holds out none of {} files", n, files.size()),
                  "Use a smaller number.");
  return chosen;
}

}  // namespace

WindowDataset::WindowDataset(const std::vector<std::string>& files, const WindowFormat& format)
    : value_bytes_(format.value_bytes), context_(format.context) {
  for (const std::string& path : files) {
    MappedFile file(path);
    const std::size_t header = format.header_bytes(file);
    files_.append(std::move(file), header);
  }
  const auto values = static_cast<std::int64_t>(files_.size() / value_bytes_);
  size_ = values < 1 ? 0 : (values - 1) / context_;
  if (size_ == 0)
    refuse_file(files.front(),
                fmt::format("{} values in {} files, expected at least context + 1 = {}", values, files.size(),
                            context_ + 1),
                "Use more data or a smaller model.context.");
}

SampleSpec WindowDataset::spec() const {
  return {DType::kInt64, {context_}, DType::kInt64, {context_}};
}

void WindowDataset::sample(std::int64_t index, std::span<std::byte> input,
                           std::span<std::byte> target) const {
  check(index >= 0 && index < size_, "a sample lies inside its dataset");
  // Windows start every `context` values and are one longer: neighbours share one value.
  const std::size_t step = static_cast<std::size_t>(context_) * value_bytes_;
  std::vector<std::byte> values(step + value_bytes_);
  files_.copy(static_cast<std::uint64_t>(index) * step, values);
  const auto widen_from = value_bytes_ == 1 ? widen<std::uint8_t> : widen<std::uint16_t>;
  widen_from(values.data(), input);
  widen_from(values.data() + value_bytes_, target);
}

Digest WindowDataset::fingerprint() const {
  Hasher hasher;
  hasher.update_u64(value_bytes_);
  update_spec(hasher, spec());
  hasher.update(files_.fingerprint());
  return hasher.digest();
}

std::unique_ptr<Dataset> open_windows(const DataOptions& options, DataPart part, const WindowFormat& format) {
  if (options.context < 1)
    refuse_option(fmt::format("data.type {} needs a model with a context", options.type),
                  "Use model.type gpt.");
  if (options.train.paths.empty())
    refuse_option(fmt::format("data.type {} needs data.train.path", options.type),
                  "Name a file or a folder.");
  refuse_normalize(options);
  check_hold_out(options);
  if (options.holdout_every > 0) {
    const std::vector<std::string> files = list_files(options.train.paths);
    // A single file cannot be split by files; its samples are.
    if (files.size() > 1)
      return std::make_unique<WindowDataset>(held_out_files(files, options.holdout_every, part), format);
  }
  return open_part(options, part, [&](const DataFiles& files) {
    return std::make_unique<WindowDataset>(list_files(files.paths), format);
  });
}

void check_values(const MappedFile& file, std::size_t header, std::size_t value_bytes, std::int64_t vocab) {
  if (value_bytes == 1)
    check_values_of<std::uint8_t>(file, header, vocab);
  else
    check_values_of<std::uint16_t>(file, header, vocab);
}

}  // namespace lockstep
