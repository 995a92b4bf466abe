// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "config/row.h"

namespace lockstep {

// Names that a program registered beside the built-in ones; they become values of model.type, data.type,
// optim.type and schedule.type.
struct ExtraTypes {
  std::vector<std::string> models;
  std::vector<std::string> datasets;
  std::vector<std::string> optimizers;
  std::vector<std::string> schedules;
};

// The table of all keys: closed, what is not in it is an error.
class Schema {
 public:
  explicit Schema(ExtraTypes extra = {});

  // In the order of the docs page.
  const std::vector<Row>& rows() const& { return rows_; }
  const std::vector<Row>& rows() && = delete;

  // Null when there is no such key.
  const Row* find(const std::string& key) const;

  // "optim", "data.train": a prefix of keys, not a key.
  bool is_section(const std::string& key) const;

  // Has `row` an effect with the types that `config` chose?
  bool applies(const Row& row, const RunConfig& config) const;

  // Is the value of `type_key` in `config` a registered name, not a built-in one?
  bool is_registered(const std::string& type_key, const RunConfig& config) const;

  // ". Did you mean …?" material: the key closest to `key`; empty when none is close.
  std::string nearest(const std::string& key) const;

 private:
  ExtraTypes extra_;
  std::vector<Row> rows_;
};

// The text value of a kWord row, such as the type that governs others.
std::string word_in(const Row& row, const RunConfig& config);

// What `config` holds for the row.
Value value_of(const Row& row, const RunConfig& config);

// Is the value of the row, with the types that `config` chose, a path or a list of paths?
bool holds_paths(const Row& row, const RunConfig& config);

// The default as it is printed and could be written; null where it is derived from other keys.
std::string default_text(const Row& row);

}  // namespace lockstep
