// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/pickle_containers.h"

#include "untrusted/refusal.h"

namespace lockstep {

bool PickleContainers::build(Opcode opcode) {
  PyValue* container = made(opcode);
  if (container == nullptr) return fill(opcode);
  stack_.push(container);
  return true;
}

PyValue* PickleContainers::made(Opcode opcode) {
  switch (opcode) {
    case Opcode::kEmptyTuple:
      return pool_.make(ValueKind::kTuple);
    case Opcode::kTuple1:
    case Opcode::kTuple2:
    case Opcode::kTuple3: {
      const std::size_t count =
          static_cast<std::size_t>(opcode) - static_cast<std::size_t>(Opcode::kTuple1) + 1;
      return pool_.sequence(ValueKind::kTuple, stack_.pop_last(count));
    }
    case Opcode::kTuple:
    case Opcode::kFrozenSet:
      return pool_.sequence(ValueKind::kTuple, stack_.pop_to_mark());
    case Opcode::kEmptyList:
    case Opcode::kEmptySet:
      return pool_.make(ValueKind::kList);
    case Opcode::kEmptyDict:
      return pool_.make(ValueKind::kDict);
    default:
      return nullptr;
  }
}

bool PickleContainers::fill(Opcode opcode) {
  switch (opcode) {
    case Opcode::kAppend:
      append(stack_.pop_last(1));
      return true;
    case Opcode::kAppends:
    case Opcode::kAddItems:
      append(stack_.pop_to_mark());
      return true;
    case Opcode::kSetItem:
      set_items(stack_.pop_last(2));
      return true;
    case Opcode::kSetItems:
      set_items(stack_.pop_to_mark());
      return true;
    default:
      return false;
  }
}

void PickleContainers::append(const std::vector<PyValue*>& items) {
  PyValue& list = stack_.top();
  if (list.is_opaque()) return;
  if (list.kind != ValueKind::kList) refuse_bytes(origin_, "something is appended to what is no list");
  list.items.insert(list.items.end(), items.begin(), items.end());
}

void PickleContainers::set_items(const std::vector<PyValue*>& items) {
  PyValue& dict = stack_.top();
  if (dict.is_opaque() && items.size() % 2 == 0) return;
  if (!dict.is_dict() || items.size() % 2 != 0) refuse_bytes(origin_, "an item is set in what is no dict");
  dict.items.insert(dict.items.end(), items.begin(), items.end());
}

}  // namespace lockstep
