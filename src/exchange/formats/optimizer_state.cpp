// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/optimizer_state.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "exchange/formats/foreign_file.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

constexpr std::size_t kMaxSlot = 64;

bool is_word(const std::string& text) {
  return !text.empty() && text.size() <= kMaxSlot && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

class OptimizerReader {
 public:
  explicit OptimizerReader(const std::string& origin) : origin_(origin) {}

  OptimizerState read(const PyValue& value) {
    const PyValue* groups = value.find("param_groups");
    const PyValue* state = value.find("state");
    if (groups == nullptr || !groups->is_sequence() || state == nullptr || !state->is_dict())
      refuse_bytes(origin_, "the optimizer is no torch.optim state_dict: no state or no param_groups");
    for (const PyValue* group : groups->items) add_group(*group);
    if (out_.names.size() != out_.parameters.size()) out_.names.clear();
    for (std::size_t i = 0; i < state->items.size(); i += 2)
      add_state(*state->items[i], *state->items[i + 1]);
    return std::move(out_);
  }

 private:
  void add_group(const PyValue& group) {
    const PyValue* parameters = group.find("params");
    if (parameters == nullptr || parameters->kind != ValueKind::kList)
      refuse_bytes(origin_, "a parameter group without a list of its parameters");
    out_.groups.push_back(&group);
    for (const PyValue* id : parameters->items) {
      if (!id->is_int() || !places_.try_emplace(id->integer, out_.parameters.size()).second)
        refuse_bytes(origin_, "a parameter group lists something twice, or that is no number");
      out_.parameters.emplace_back();
    }
    const PyValue* names = group.find("param_names");
    if (names == nullptr || names->kind != ValueKind::kList) return;
    for (const PyValue* name : names->items)
      if (name->is_text()) out_.names.push_back(name->text);
  }

  void add_state(const PyValue& id, const PyValue& slots) {
    const auto place = id.is_int() ? places_.find(id.integer) : places_.end();
    if (place == places_.end()) refuse_bytes(origin_, "optimizer state of a parameter that no group lists");
    if (!slots.is_dict()) refuse_bytes(origin_, "optimizer state that is no dict");
    for (std::size_t i = 0; i < slots.items.size(); i += 2) {
      const PyValue& slot = *slots.items[i];
      if (!slot.is_text() || !is_word(slot.text))
        refuse_bytes(origin_, "an optimizer slot whose name is no plain word");
      if (slots.items[i + 1]->kind != ValueKind::kNone)
        out_.parameters[place->second][slot.text] = slots.items[i + 1];
    }
  }

  const std::string& origin_;
  OptimizerState out_;
  std::map<std::int64_t, std::size_t> places_;
};

template <class Number>
double number_in(std::span<const std::byte> bytes) {
  Number value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return static_cast<double>(value);
}

}  // namespace

OptimizerState read_optimizer_state(const PyValue& value, const std::string& origin) {
  return OptimizerReader(origin).read(value);
}

double as_number(const PyValue& value, const ForeignFile& file) {
  if (value.is_int()) return static_cast<double>(value.integer);
  if (value.kind == ValueKind::kFloat) return value.real;
  if (!value.is_tensor() || element_count(value.tensor->shape) != 1) return std::nan("");
  std::vector<std::byte> bytes(byte_count(*value.tensor));
  file.read(*value.tensor, bytes);
  const std::string& dtype = value.tensor->dtype;
  if (dtype == "float32") return number_in<float>(bytes);
  if (dtype == "float64") return number_in<double>(bytes);
  if (dtype == "int64") return number_in<std::int64_t>(bytes);
  if (dtype == "int32") return number_in<std::int32_t>(bytes);
  return std::nan("");
}

double step_count(const PyValue& step, const ForeignFile& file, const std::string& origin) {
  const double count = as_number(step, file);
  // Beyond 2^53 a double skips numbers; no run gets there.
  if (!(count >= 0 && count < 0x1p53) || count != std::floor(count))
    refuse_bytes(origin, "the optimizer's step is no count");
  return count;
}

}  // namespace lockstep
