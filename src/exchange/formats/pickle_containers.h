// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exchange/formats/pickle_opcodes.h"
#include "exchange/formats/pickle_stack.h"
#include "exchange/formats/value.h"

namespace lockstep {

// The tuples, lists and dicts that a pickle makes of the values on its stack. Sets are read as lists, frozen
// ones as tuples.
class PickleContainers {
 public:
  // All outlive this.
  PickleContainers(PickleStack& stack, ValuePool& pool, const std::string& origin)
      : stack_(stack), pool_(pool), origin_(origin) {}

  // False, and nothing done, for an opcode that neither makes nor fills a container.
  bool build(Opcode opcode);

 private:
  PyValue* made(Opcode opcode);
  bool fill(Opcode opcode);
  void append(const std::vector<PyValue*>& items);
  void set_items(const std::vector<PyValue*>& items);

  PickleStack& stack_;
  ValuePool& pool_;
  const std::string& origin_;
};

}  // namespace lockstep
