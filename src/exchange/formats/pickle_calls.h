// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exchange/formats/value.h"

namespace lockstep {

// Note [nothing is called]: a pickle is a program that names Python functions and has them called. Lockstep
// has a closed list of the names that torch.save writes, each with a few lines here that turn its arguments
// into a PyValue. What any other name makes is passed over as an opaque value, and no name ever leads to
// code.
class PickleCalls {
 public:
  // `origin` is for messages. Both outlive this.
  PickleCalls(ValuePool& pool, const std::string& origin) : pool_(pool), origin_(origin) {}

  // What GLOBAL pushes: a name of the list, or a dtype; opaque for any other.
  PyValue* global(const std::string& module, const std::string& name);
  // What REDUCE and NEWOBJ push for a name of the list and its arguments, a tuple.
  PyValue* call(const PyValue& callable, PyValue& arguments);
  // What BINPERSID pushes: torch.save's ('storage', type, key, location, elements[, view]).
  PyValue* storage(const PyValue& id);

 private:
  [[noreturn]] void refuse(const std::string& fact) const;
  const PyValue& argument(const PyValue& arguments, std::size_t index, ValueKind kind) const;
  PyValue* ordered_dict(const PyValue& arguments);
  PyValue* tensor(const PyValue& arguments, const std::string& name);
  PyValue* unwrap(const PyValue& arguments);
  PyValue* tensor_of_a_class(const PyValue& arguments);
  PyValue* bytes(const PyValue& arguments);
  PyValue* sequence(const PyValue& arguments);
  Shape shape(const PyValue& value) const;

  ValuePool& pool_;
  const std::string& origin_;
};

}  // namespace lockstep
