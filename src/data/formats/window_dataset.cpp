// SPDX-License-Identifier: Apache-2.0
#include "data/formats/window_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "data/hold_out.h"
#include "data/normalizer.h"
#include "data/refuse.h"
#include "data/spec_digest.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

template <class Value>
void widen(const std::byte* from, std::span<std::byte> into) {
  const auto* values = reinterpret_cast<const Value*>(from);
  auto* wide = reinterpret_cast<std::int64_t*>(into.data());
  for (std::size_t i = 0; i < into.size() / sizeof(std::int64_t); ++i) wide[i] = values[i];
}

using Widen = void (*)(const std::byte*, std::span<std::byte>);

Widen widening(TokenType type) {
  switch (type) {
    case TokenType::kUInt8:
      return widen<std::uint8_t>;
    case TokenType::kUInt16:
      return widen<std::uint16_t>;
    case TokenType::kUInt32:
      return widen<std::uint32_t>;
    case TokenType::kInt8:
      return widen<std::int8_t>;
    case TokenType::kInt16:
      return widen<std::int16_t>;
    case TokenType::kInt32:
      return widen<std::int32_t>;
    default:
      // Below the vocabulary, so the sign does not matter.
      return widen<std::int64_t>;
  }
}

FileSet held_out_files(const FileSet& all, std::int64_t n, DataPart part) {
  FileSet chosen;
  chosen.left_out = all.left_out;
  for (std::size_t i = 0; i < all.files.size(); ++i) {
    const bool held_out = static_cast<std::int64_t>(i) % n == n - 1;
    if (held_out == (part == DataPart::kValid)) chosen.files.push_back(all.files[i]);
  }
  if (chosen.files.empty())
    refuse_option(fmt::format("data.holdout_every = {} holds out none of {} files", n, all.files.size()),
                  "Use a smaller number.");
  return chosen;
}

}  // namespace

WindowDataset::WindowDataset(const FileSet& files, const WindowFormat& format)
    : taken_(describe(files)), context_(format.context) {
  for (const FoundFile& found : files.files) {
    MappedFile file(found.path);
    TokenLayout layout = format.layout(found, file);
    if (files_.count() > 0 && (layout.type != layout_.type || layout.name != layout_.name))
      refuse_data_file(
          found.path,
          fmt::format("is {}, and {} before it is {}", layout.name, files_.place_of(0).first, layout_.name),
          "Keep files of one layout only in data.train.path, or write them alike.");
    files_.append(std::move(file), layout.header, found.name);
    layout_ = std::move(layout);
  }
  const auto values = static_cast<std::int64_t>(files_.size() / size_of(layout_.type));
  size_ = values < 1 ? 0 : (values - 1) / context_;
  if (size_ == 0)
    refuse_data_file(files.files.front().path,
                     fmt::format("{} values in {} files, expected at least context + 1 = {}", values,
                                 files.files.size(), context_ + 1),
                     "Use more data or a smaller model.context.");
}

SampleSpec WindowDataset::spec() const {
  return {DType::kInt64, {context_}, DType::kInt64, {context_}};
}

void WindowDataset::sample(std::int64_t index, std::span<std::byte> input,
                           std::span<std::byte> target) const {
  check(index >= 0 && index < size_, "a sample lies inside its dataset");
  // Windows start every `context` values and are one longer: neighbours share one value.
  const std::size_t value_bytes = size_of(layout_.type);
  const std::size_t step = static_cast<std::size_t>(context_) * value_bytes;
  std::vector<std::byte> values(step + value_bytes);
  files_.copy(static_cast<std::uint64_t>(index) * step, values);
  const Widen widen_from = widening(layout_.type);
  widen_from(values.data(), input);
  widen_from(values.data() + value_bytes, target);
}

std::string WindowDataset::place_of(std::int64_t index) const {
  const std::size_t value_bytes = size_of(layout_.type);
  const auto [path, offset] = files_.place_of(static_cast<std::uint64_t>(index * context_) * value_bytes);
  return fmt::format("{}, from value {} on (sample {})", path, offset / value_bytes, index);
}

std::string WindowDataset::description() const {
  return fmt::format("{} ({}): {} values, {} samples of {}", taken_, layout_.name,
                     files_.size() / size_of(layout_.type), size_, context_);
}

Digest WindowDataset::fingerprint() const {
  Hasher hasher;
  hasher.update_u64(size_of(layout_.type));
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
    const FileSet files = find_files(options.train.paths);
    // A single file cannot be split by files; its samples are.
    if (files.files.size() > 1)
      return std::make_unique<WindowDataset>(held_out_files(files, options.holdout_every, part), format);
  }
  return open_part(options, part, [&](const DataFiles& files) {
    return std::make_unique<WindowDataset>(find_files(files.paths), format);
  });
}

}  // namespace lockstep
