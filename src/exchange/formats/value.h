// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/base/span.h"

namespace lockstep {

// A run of elements that tensors are views of. `key` names it inside its file.
struct StorageRef {
  std::string key;
  std::string dtype;           // element type, PyTorch's name; "uint8" for an untyped storage
  std::uint64_t elements = 0;  // of this view of the storage
  std::uint64_t first = 0;     // element at which the view begins (legacy files)
};

// A tensor as a file describes it; offset and strides in elements. A dtype Lockstep does not have is a name
// all the same: such a tensor can be listed, not read.
struct TensorRef {
  StorageRef storage;
  std::string dtype;  // "float32", "complex64", …
  std::int64_t offset = 0;
  Shape shape;
  Shape stride;
  // What changes the meaning of its bytes and is not applied here ("negative bit"): such a tensor can be
  // listed, not read. Empty: its bytes are its values.
  std::string obstacle;
};

enum class ValueKind : std::uint8_t {
  kNone,
  kBool,
  kInt,
  kFloat,
  kText,
  kBytes,
  kList,
  kTuple,
  kDict,
  kOrderedDict,
  kDtype,    // text: its name
  kDevice,   // text: its name
  kStorage,  // tensor->storage
  kTensor,
  kGlobal,  // text: one of the names of the allow-list
  kOpaque,  // text: what was passed over, such as the class of an object
};

// A Python value, as data. Nodes belong to a ValuePool; one may hang in several places of a tree.
struct PyValue {
  ValueKind kind = ValueKind::kNone;
  std::int64_t integer = 0;  // kInt, kBool
  double real = 0;           // kFloat
  std::string text;
  std::vector<PyValue*> items;  // of a dict: key, value, key, value …
  std::unique_ptr<TensorRef> tensor;

  bool is_dict() const { return kind == ValueKind::kDict || kind == ValueKind::kOrderedDict; }
  bool is_sequence() const { return kind == ValueKind::kList || kind == ValueKind::kTuple; }
  bool is_text() const { return kind == ValueKind::kText; }
  bool is_int() const { return kind == ValueKind::kInt; }
  bool is_opaque() const { return kind == ValueKind::kOpaque; }
  bool is_tensor() const { return kind == ValueKind::kTensor; }
  // What a dict has under a text key; null when there is no such key or this is no dict.
  const PyValue* find(std::string_view key) const;
};

// Owns the nodes of a tree; pointers stay good while it lives.
class ValuePool {
 public:
  PyValue* make(ValueKind kind);
  PyValue* integer(std::int64_t number);
  PyValue* real(double number);
  PyValue* boolean(bool value);
  PyValue* text(std::string text);
  PyValue* opaque(std::string what);
  PyValue* sequence(ValueKind kind, std::vector<PyValue*> items);
  PyValue* tensor(TensorRef tensor);
  std::size_t size() const { return nodes_.size(); }
  const std::deque<PyValue>& nodes() const { return nodes_; }

 private:
  std::deque<PyValue> nodes_;
};

// Appends key and value to a dict.
void put(PyValue& dict, PyValue* key, PyValue* value);

}  // namespace lockstep
