// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/pickle_reader.h"

#include <unordered_map>

#include "exchange/formats/pickle_calls.h"
#include "exchange/formats/pickle_containers.h"
#include "exchange/formats/pickle_literals.h"
#include "exchange/formats/pickle_opcodes.h"
#include "exchange/formats/pickle_stack.h"
#include "exchange/formats/tree_check.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

// A state_dict of 250 000 tensors takes a tenth of this.
constexpr std::size_t kMaxNodes = 8'000'000;
constexpr std::size_t kMaxName = 4096;

class PickleMachine {
 public:
  PickleMachine(ByteStream& in, ValuePool& pool)
      : in_(in),
        pool_(pool),
        stack_(in.origin()),
        literals_(in, pool),
        containers_(stack_, pool, in.origin()),
        calls_(pool, in.origin()) {}

  const PyValue* run() {
    for (;;) {
      const auto opcode = static_cast<Opcode>(in_.byte());
      if (opcode == Opcode::kStop) break;
      if (!framing(opcode) && !literal(opcode) && !containers_.build(opcode) && !memory(opcode) &&
          !call(opcode))
        refuse("pickle opcode " + std::to_string(static_cast<int>(opcode)) + " is not one torch.save writes");
      if (pool_.size() > kMaxNodes) refuse("more than " + std::to_string(kMaxNodes) + " values");
    }
    return stack_.only();
  }

 private:
  [[noreturn]] void refuse(const std::string& fact) const { refuse_bytes(in_.origin(), fact); }

  bool framing(Opcode opcode) {
    switch (opcode) {
      case Opcode::kProto:
        if (const int protocol = in_.byte(); protocol < 2 || protocol > 5)
          refuse("pickle protocol " + std::to_string(protocol) + " (2 to 5 are read)");
        return true;
      case Opcode::kFrame:
        in_.number(8);
        return true;
      case Opcode::kMark:
        stack_.mark();
        return true;
      case Opcode::kPop:
        stack_.pop();
        return true;
      default:
        return false;
    }
  }

  bool literal(Opcode opcode) {
    PyValue* value = literals_.read(opcode);
    if (value != nullptr) stack_.push(value);
    return value != nullptr;
  }

  bool memory(Opcode opcode) {
    switch (opcode) {
      case Opcode::kBinPut:
        memo_[in_.byte()] = &stack_.top();
        return true;
      case Opcode::kLongBinPut:
        memo_[in_.number(4)] = &stack_.top();
        return true;
      case Opcode::kMemoize:
        memo_[memo_.size()] = &stack_.top();
        return true;
      case Opcode::kBinGet:
        stack_.push(remembered(in_.byte()));
        return true;
      case Opcode::kLongBinGet:
        stack_.push(remembered(in_.number(4)));
        return true;
      default:
        return false;
    }
  }

  PyValue* remembered(std::uint64_t index) const {
    const auto found = memo_.find(index);
    if (found == memo_.end()) refuse("it asks for memo " + std::to_string(index) + ", which is not there");
    return found->second;
  }

  bool call(Opcode opcode) {
    switch (opcode) {
      case Opcode::kGlobal: {
        const std::string module = in_.line(kMaxName);
        stack_.push(calls_.global(module, in_.line(kMaxName)));
        return true;
      }
      case Opcode::kStackGlobal: {
        const std::vector<PyValue*> names = stack_.pop_last(2);
        if (!names[0]->is_text() || !names[1]->is_text()) refuse("a global whose name is no text");
        stack_.push(calls_.global(names[0]->text, names[1]->text));
        return true;
      }
      case Opcode::kReduce:
      case Opcode::kNewObj: {
        const std::vector<PyValue*> pair = stack_.pop_last(2);
        stack_.push(calls_.call(*pair[0], *pair[1]));
        return true;
      }
      case Opcode::kNewObjEx: {
        const std::vector<PyValue*> parts = stack_.pop_last(3);
        stack_.push(calls_.call(*parts[0], *parts[1]));
        return true;
      }
      case Opcode::kBuild:
        // Attributes such as the `_metadata` of a state_dict: the versions of modules, no part of the
        // weights.
        stack_.pop();
        if (stack_.top().kind != ValueKind::kOrderedDict && !stack_.top().is_opaque())
          refuse("attributes are set on what is no OrderedDict");
        return true;
      case Opcode::kBinPersId:
        stack_.push(calls_.storage(*stack_.pop()));
        return true;
      default:
        return false;
    }
  }

  ByteStream& in_;
  ValuePool& pool_;
  PickleStack stack_;
  PickleLiterals literals_;
  PickleContainers containers_;
  PickleCalls calls_;
  std::unordered_map<std::uint64_t, PyValue*> memo_;
};

}  // namespace

const PyValue* read_pickle(ByteStream& in, ValuePool& pool) {
  const PyValue* root = PickleMachine(in, pool).run();
  if (root->is_opaque())
    refuse_bytes(
        in.origin(),
        "it holds " + root->text + ", which is not on the list of what Lockstep reads, and is never called",
        "Save plain tensors in Python: torch.save(model.state_dict(), F)");
  check_tree(*root, in.origin());
  return root;
}

}  // namespace lockstep
