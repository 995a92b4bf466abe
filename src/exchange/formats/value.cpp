// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/value.h"

namespace lockstep {

const PyValue* PyValue::find(std::string_view key) const {
  if (!is_dict()) return nullptr;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2)
    if (items[i]->is_text() && items[i]->text == key) return items[i + 1];
  return nullptr;
}

PyValue* ValuePool::make(ValueKind kind) {
  nodes_.emplace_back();
  nodes_.back().kind = kind;
  return &nodes_.back();
}

PyValue* ValuePool::integer(std::int64_t number) {
  PyValue* value = make(ValueKind::kInt);
  value->integer = number;
  return value;
}

PyValue* ValuePool::real(double number) {
  PyValue* value = make(ValueKind::kFloat);
  value->real = number;
  return value;
}

PyValue* ValuePool::boolean(bool truth) {
  PyValue* value = make(ValueKind::kBool);
  value->integer = truth ? 1 : 0;
  return value;
}

PyValue* ValuePool::text(std::string text) {
  PyValue* value = make(ValueKind::kText);
  value->text = std::move(text);
  return value;
}

PyValue* ValuePool::opaque(std::string what) {
  PyValue* value = make(ValueKind::kOpaque);
  value->text = std::move(what);
  return value;
}

PyValue* ValuePool::sequence(ValueKind kind, std::vector<PyValue*> items) {
  PyValue* value = make(kind);
  value->items = std::move(items);
  return value;
}

PyValue* ValuePool::tensor(TensorRef tensor) {
  PyValue* value = make(ValueKind::kTensor);
  value->tensor = std::make_unique<TensorRef>(std::move(tensor));
  return value;
}

void put(PyValue& dict, PyValue* key, PyValue* value) {
  dict.items.push_back(key);
  dict.items.push_back(value);
}

}  // namespace lockstep
