// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/pickle_stack.h"

#include "untrusted/refusal.h"

namespace lockstep {

void PickleStack::refuse(const std::string& fact) const {
  refuse_bytes(origin_, fact);
}

void PickleStack::need(std::size_t values) const {
  const std::size_t floor = marks_.empty() ? 0 : marks_.back();
  if (values_.size() - floor < values) refuse("a pickle opcode finds too few values");
}

PyValue& PickleStack::top() {
  need(1);
  return *values_.back();
}

PyValue* PickleStack::pop() {
  return pop_last(1).front();
}

std::vector<PyValue*> PickleStack::pop_last(std::size_t count) {
  need(count);
  const auto first = values_.end() - static_cast<std::ptrdiff_t>(count);
  std::vector<PyValue*> items(first, values_.end());
  values_.erase(first, values_.end());
  return items;
}

std::vector<PyValue*> PickleStack::pop_to_mark() {
  if (marks_.empty()) refuse("a pickle opcode finds no mark");
  std::vector<PyValue*> items = pop_last(values_.size() - marks_.back());
  marks_.pop_back();
  return items;
}

const PyValue* PickleStack::only() const {
  if (values_.size() != 1 || !marks_.empty()) refuse("it does not end with one value");
  return values_.back();
}

}  // namespace lockstep
