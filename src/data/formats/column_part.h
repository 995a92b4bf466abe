// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/formats/column.h"

namespace lockstep {

// A field of samples and the arrays it is made of.
struct ColumnName {
  std::string field;
  std::string array;
  std::string lengths = {};  // the array with the length of every sample; empty: one row a sample
};

// One file: its columns, all of as many samples.
class ColumnPart {
 public:
  // Throws Fault (66), naming both, for columns of unlike length; also for lengths that do not fit.
  ColumnPart(std::unique_ptr<ColumnFile> file, std::string path, const std::vector<ColumnName>& names);

  const std::string& path() const { return path_; }
  std::int64_t samples() const { return samples_; }
  const Column& column(std::size_t field) const { return *columns_[field].values; }
  // Where sample `index` begins in its column, and how many rows it has.
  std::int64_t first_row(std::size_t field, std::int64_t index) const;
  std::int64_t length(std::size_t field, std::int64_t index) const;
  // Read alike: the same bytes of two files mean the same numbers.
  bool is_like(const ColumnPart& other) const;

 private:
  struct Values {
    std::unique_ptr<Column> values;
    std::vector<std::int64_t> starts;  // of samples that vary, and the end; else empty
  };
  Values open(const ColumnName& name) const;

  std::unique_ptr<ColumnFile> file_;
  std::string path_;
  std::vector<Values> columns_;
  std::int64_t samples_ = 0;
};

}  // namespace lockstep
