// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exchange/formats/value.h"

namespace lockstep {

// One tensor of a saved model. It lives as long as the file it came from.
struct NamedTensor {
  std::string name;
  const TensorRef* tensor = nullptr;
  std::string alias_of;  // first name of the same elements; empty where it is the first itself
};

// What else a file holds: numbers, texts, …
struct NamedValue {
  std::string name;
  const PyValue* value = nullptr;
};

// Is it a tensor of a kind Lockstep does not read: quantised, sparse, nested, of a class?
bool is_unread_tensor(const PyValue& value);

// The tensors below one value of a file.
struct StateDict {
  std::vector<NamedTensor> tensors;  // in the order of the file
  std::vector<NamedValue> others;
};

// Local. Flattens dicts and lists to names joined by dots, as they stand in the file. Throws Fault (65) for a
// name that is empty, longer than 16 KiB or there twice.
StateDict flatten_state_dict(const PyValue& value, const std::string& origin);

// Under which keys a file keeps model and optimizer; empty: the usual ones are looked for.
struct StateDictKeys {
  std::string model;
  std::string optimizer;
};

// The parts of a checkpoint that a Python loop saved. `optimizer` is null where there is none.
struct StateDictPair {
  const PyValue* model = nullptr;
  std::string model_key;  // empty: the file is the state_dict
  const PyValue* optimizer = nullptr;
  std::string optimizer_key;
};

// Local. Throws Fault (65) when a key that was asked for is not there, or when no model is found; it lists
// the keys the file has.
StateDictPair find_state_dicts(const PyValue& root, const StateDictKeys& keys, const std::string& origin);

}  // namespace lockstep
