// SPDX-License-Identifier: Apache-2.0
#include "data/formats/column_part.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "data/refuse.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

constexpr const char* kRemedy =
    "Every array needs one row for each sample; data.lengths is for samples that vary.";

bool holds_lengths(const Column& column) {
  return element_count(column.row_shape()) == 1 &&
         (column.stored() == Stored::kByte || column.stored() == Stored::kInteger ||
          column.stored() == Stored::kWideInteger);
}

}  // namespace

ColumnPart::ColumnPart(std::unique_ptr<ColumnFile> file, std::string path,
                       const std::vector<ColumnName>& names)
    : file_(std::move(file)), path_(std::move(path)) {
  for (const ColumnName& name : names) {
    columns_.push_back(open(name));
    const Values& column = columns_.back();
    const std::int64_t samples =
        column.starts.empty() ? column.values->rows() : static_cast<std::int64_t>(column.starts.size()) - 1;
    if (columns_.size() == 1) samples_ = samples;
    if (samples == samples_) continue;
    const auto shown = [](const ColumnName& one) {
      return printable(one.lengths.empty() ? one.array : one.lengths);
    };
    refuse_data_file(
        path_, fmt::format("{} has {} rows, {} has {}", shown(names[0]), samples_, shown(name), samples),
        kRemedy);
  }
}

ColumnPart::Values ColumnPart::open(const ColumnName& name) const {
  Values column{file_->column(name.array), {}};
  if (name.lengths.empty()) return column;
  const auto lengths = file_->column(name.lengths);
  const std::string shown = printable(name.lengths);
  if (!holds_lengths(*lengths))
    refuse_data_file(path_, shown + " holds no lengths, which are one integer a sample", kRemedy);
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(lengths->rows()));
  lengths->read_rows(0, DType::kInt64, std::as_writable_bytes(std::span(numbers)));
  column.starts = {0};
  for (const std::int64_t length : numbers) {
    if (length < 0 || length > column.values->rows() - column.starts.back())
      refuse_data_file(
          path_,
          fmt::format("{} gives sample {} {} rows, {} has {} in all", shown, column.starts.size() - 1, length,
                      printable(name.array), column.values->rows()),
          kRemedy);
    column.starts.push_back(column.starts.back() + length);
  }
  if (column.starts.back() != column.values->rows())
    refuse_data_file(path_,
                     fmt::format("{} add up to {} rows, {} has {}", shown, column.starts.back(),
                                 printable(name.array), column.values->rows()),
                     kRemedy);
  return column;
}

std::int64_t ColumnPart::first_row(std::size_t field, std::int64_t index) const {
  const auto& starts = columns_[field].starts;
  return starts.empty() ? index : starts[static_cast<std::size_t>(index)];
}

std::int64_t ColumnPart::length(std::size_t field, std::int64_t index) const {
  return columns_[field].starts.empty() ? 1 : first_row(field, index + 1) - first_row(field, index);
}

bool ColumnPart::is_like(const ColumnPart& other) const {
  return std::ranges::equal(columns_, other.columns_, [](const Values& one, const Values& another) {
    return one.values->stored() == another.values->stored() &&
           one.values->row_shape() == another.values->row_shape();
  });
}

}  // namespace lockstep
