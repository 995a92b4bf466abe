// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/pickle_reader.h"

#include <bit>
#include <unordered_map>

#include "base/utf8.h"
#include "exchange/formats/pickle_calls.h"
#include "exchange/formats/pickle_opcodes.h"
#include "exchange/formats/tree_check.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

// A state_dict of 250 000 tensors takes a tenth of this.
constexpr std::size_t kMaxNodes = 8'000'000;
constexpr std::size_t kMaxName = 4096;

class PickleMachine {
 public:
  PickleMachine(ByteStream& in, ValuePool& pool) : in_(in), pool_(pool), calls_(pool, in.origin()) {}

  const PyValue* run() {
    for (;;) {
      const auto opcode = static_cast<Opcode>(in_.byte());
      if (opcode == Opcode::kStop) break;
      if (!constant(opcode) && !number(opcode) && !text(opcode) && !container(opcode) && !memory(opcode) &&
          !call(opcode))
        refuse("pickle opcode " + std::to_string(static_cast<int>(opcode)) + " is not one torch.save writes");
      if (pool_.size() > kMaxNodes) refuse("more than " + std::to_string(kMaxNodes) + " values");
    }
    if (stack_.size() != 1 || !marks_.empty()) refuse("it does not end with one value");
    return stack_.back();
  }

 private:
  [[noreturn]] void refuse(const std::string& fact) const { refuse_bytes(in_.origin(), fact); }

  void push(PyValue* value) { stack_.push_back(value); }
  // Values above the innermost mark.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  void need(std::size_t values) const {
    if (stack_.size() - floor() < values) refuse("a pickle opcode finds too few values");
  }
  PyValue* pop() {
    need(1);
    PyValue* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  PyValue& top() {
    need(1);
    return *stack_.back();
  }
  std::vector<PyValue*> pop_last(std::size_t count) {
    need(count);
    const auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<PyValue*> items(first, stack_.end());
    stack_.erase(first, stack_.end());
    return items;
  }
  std::vector<PyValue*> pop_to_mark() {
    if (marks_.empty()) refuse("a pickle opcode finds no mark");
    std::vector<PyValue*> items = pop_last(stack_.size() - marks_.back());
    marks_.pop_back();
    return items;
  }

  bool constant(Opcode opcode) {
    switch (opcode) {
      case Opcode::kProto:
        if (const int protocol = in_.byte(); protocol < 2 || protocol > 5)
          refuse("pickle protocol " + std::to_string(protocol) + " (2 to 5 are read)");
        return true;
      case Opcode::kFrame:
        in_.number(8);
        return true;
      case Opcode::kNone:
        push(pool_.make(ValueKind::kNone));
        return true;
      case Opcode::kNewTrue:
      case Opcode::kNewFalse:
        push(pool_.boolean(opcode == Opcode::kNewTrue));
        return true;
      default:
        return false;
    }
  }

  bool number(Opcode opcode) {
    switch (opcode) {
      case Opcode::kBinInt:
        push(pool_.integer(static_cast<std::int32_t>(in_.number(4))));
        return true;
      case Opcode::kBinInt1:
        push(pool_.integer(in_.byte()));
        return true;
      case Opcode::kBinInt2:
        push(pool_.integer(static_cast<std::int64_t>(in_.number(2))));
        return true;
      case Opcode::kLong1:
        push(big_integer(in_.byte()));
        return true;
      case Opcode::kLong4:
        push(big_integer(in_.number(4)));
        return true;
      case Opcode::kBinFloat: {
        std::uint64_t bits = 0;
        for (int i = 0; i < 8; ++i) bits = bits << 8 | in_.byte();
        push(pool_.real(std::bit_cast<double>(bits)));
        return true;
      }
      default:
        return false;
    }
  }

  // Two's complement, as few bytes as hold it. What does not fit 64 bits (the state of a random generator) is
  // passed over.
  PyValue* big_integer(std::uint64_t bytes) {
    if (bytes > 8) {
      in_.skip(bytes);
      return pool_.opaque("an integer of " + std::to_string(bytes) + " bytes");
    }
    if (bytes == 0) return pool_.integer(0);
    const int unused = 64 - 8 * static_cast<int>(bytes);
    const std::uint64_t number = in_.number(static_cast<int>(bytes));
    return pool_.integer(static_cast<std::int64_t>(number << unused) >> unused);
  }

  bool text(Opcode opcode) {
    switch (opcode) {
      case Opcode::kShortBinUnicode:
      case Opcode::kBinUnicode:
      case Opcode::kBinUnicode8: {
        push(pool_.text(in_.text(in_.number(length_bytes(opcode)))));
        // Python has such texts too: file names of other bytes, half surrogates.
        if (!is_utf8(top().text)) top().kind = ValueKind::kBytes;
        return true;
      }
      case Opcode::kShortBinString:
      case Opcode::kBinString: {
        // Python 2 wrote names so, and bytes too.
        push(pool_.text(in_.text(in_.number(length_bytes(opcode)))));
        if (!is_utf8(top().text)) top().kind = ValueKind::kBytes;
        return true;
      }
      case Opcode::kShortBinBytes:
      case Opcode::kBinBytes:
      case Opcode::kBinBytes8:
      case Opcode::kByteArray8: {
        PyValue* value = pool_.make(ValueKind::kBytes);
        value->text = in_.text(in_.number(length_bytes(opcode)));
        push(value);
        return true;
      }
      default:
        return false;
    }
  }

  bool container(Opcode opcode) {
    switch (opcode) {
      case Opcode::kMark:
        marks_.push_back(stack_.size());
        return true;
      case Opcode::kEmptyTuple:
        push(pool_.make(ValueKind::kTuple));
        return true;
      case Opcode::kTuple1:
      case Opcode::kTuple2:
      case Opcode::kTuple3: {
        const std::size_t count =
            static_cast<std::size_t>(opcode) - static_cast<std::size_t>(Opcode::kTuple1) + 1;
        push(pool_.sequence(ValueKind::kTuple, pop_last(count)));
        return true;
      }
      case Opcode::kTuple:
        push(pool_.sequence(ValueKind::kTuple, pop_to_mark()));
        return true;
      case Opcode::kEmptyList:
      case Opcode::kEmptySet:
        push(pool_.make(ValueKind::kList));
        return true;
      case Opcode::kEmptyDict:
        push(pool_.make(ValueKind::kDict));
        return true;
      case Opcode::kAppend:
        append(pop_last(1));
        return true;
      case Opcode::kAppends:
      case Opcode::kAddItems:
        append(pop_to_mark());
        return true;
      case Opcode::kFrozenSet:
        push(pool_.sequence(ValueKind::kTuple, pop_to_mark()));
        return true;
      case Opcode::kSetItem:
        set_items(pop_last(2));
        return true;
      case Opcode::kSetItems:
        set_items(pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  void append(const std::vector<PyValue*>& items) {
    if (top().is_opaque()) return;
    if (top().kind != ValueKind::kList) refuse("something is appended to what is no list");
    top().items.insert(top().items.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<PyValue*>& items) {
    if (top().is_opaque() && items.size() % 2 == 0) return;
    if (!top().is_dict() || items.size() % 2 != 0) refuse("an item is set in what is no dict");
    top().items.insert(top().items.end(), items.begin(), items.end());
  }

  bool memory(Opcode opcode) {
    switch (opcode) {
      case Opcode::kBinPut:
        memo_[in_.byte()] = &top();
        return true;
      case Opcode::kLongBinPut:
        memo_[in_.number(4)] = &top();
        return true;
      case Opcode::kMemoize:
        memo_[memo_.size()] = &top();
        return true;
      case Opcode::kBinGet:
        push(remembered(in_.byte()));
        return true;
      case Opcode::kLongBinGet:
        push(remembered(in_.number(4)));
        return true;
      case Opcode::kPop:
        pop();
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
        push(calls_.global(module, in_.line(kMaxName)));
        return true;
      }
      case Opcode::kStackGlobal: {
        const std::vector<PyValue*> names = pop_last(2);
        if (!names[0]->is_text() || !names[1]->is_text()) refuse("a global whose name is no text");
        push(calls_.global(names[0]->text, names[1]->text));
        return true;
      }
      case Opcode::kReduce:
      case Opcode::kNewObj: {
        const std::vector<PyValue*> pair = pop_last(2);
        push(calls_.call(*pair[0], *pair[1]));
        return true;
      }
      case Opcode::kNewObjEx: {
        const std::vector<PyValue*> parts = pop_last(3);
        push(calls_.call(*parts[0], *parts[1]));
        return true;
      }
      case Opcode::kBuild:
        // Attributes such as the `_metadata` of a state_dict: the versions of modules, no part of the
        // weights.
        pop();
        if (top().kind != ValueKind::kOrderedDict && !top().is_opaque())
          refuse("attributes are set on what is no OrderedDict");
        return true;
      case Opcode::kBinPersId:
        push(calls_.storage(*pop()));
        return true;
      default:
        return false;
    }
  }

  ByteStream& in_;
  ValuePool& pool_;
  PickleCalls calls_;
  std::vector<PyValue*> stack_;
  std::vector<std::size_t> marks_;
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
