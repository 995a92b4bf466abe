// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "exchange/formats/value.h"

namespace lockstep {

// The stack that the opcodes of a pickle work on. A mark is its floor until all above it is taken: no opcode
// reaches below. Throws Fault (65) where a pickle asks for more than there is.
class PickleStack {
 public:
  // `origin` is for messages and outlives this.
  explicit PickleStack(const std::string& origin) : origin_(origin) {}

  void push(PyValue* value) { values_.push_back(value); }
  void mark() { marks_.push_back(values_.size()); }
  PyValue& top();
  PyValue* pop();
  // In the order they were pushed.
  std::vector<PyValue*> pop_last(std::size_t count);
  // All above the innermost mark, and the mark.
  std::vector<PyValue*> pop_to_mark();
  // The one value that a whole pickle leaves.
  const PyValue* only() const;

 private:
  [[noreturn]] void refuse(const std::string& fact) const;
  void need(std::size_t values) const;

  const std::string& origin_;
  std::vector<PyValue*> values_;
  std::vector<std::size_t> marks_;
};

}  // namespace lockstep
