// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/state_dict.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "untrusted/refusal.h"

namespace lockstep {

namespace {

constexpr std::size_t kMaxName = 16 * 1024;
constexpr std::size_t kMaxTensors = 250'000;  // as in manifests
constexpr std::size_t kMaxNames = 128u << 20;

class Flattener {
 public:
  Flattener(const std::string& origin, StateDict& out) : origin_(origin), out_(out) {}

  void walk(const PyValue& value, const std::string& name) {
    if (value.is_tensor()) return add(name.empty() ? "tensor" : name, *value.tensor);
    if (value.is_dict()) {
      for (std::size_t i = 0; i < value.items.size(); i += 2)
        walk(*value.items[i + 1], joined(name, key_text(*value.items[i])));
      return;
    }
    if (value.is_sequence()) {
      for (std::size_t i = 0; i < value.items.size(); ++i)
        walk(*value.items[i], joined(name, std::to_string(i)));
      return;
    }
    if (out_.others.size() < kMaxTensors) out_.others.push_back({name, &value});
  }

 private:
  std::string key_text(const PyValue& key) {
    if (key.is_int()) return std::to_string(key.integer);
    if (!key.is_text()) return "?" + std::to_string(unnamed_++);
    if (key.text.empty()) refuse_bytes(origin_, "a tensor with an empty name");
    return key.text;
  }

  std::string joined(const std::string& name, const std::string& more) {
    if (name.size() + more.size() >= kMaxName)
      refuse_bytes(origin_, "a name of " + std::to_string(name.size() + more.size()) + " bytes: " + more);
    // One long key in front of many values is a small file.
    name_bytes_ += name.size() + more.size();
    if (name_bytes_ > kMaxNames)
      refuse_bytes(origin_, "names of more than " + std::to_string(kMaxNames) + " bytes together");
    return name.empty() ? more : name + "." + more;
  }

  void add(const std::string& name, const TensorRef& tensor) {
    if (out_.tensors.size() == kMaxTensors)
      refuse_bytes(origin_, "more than " + std::to_string(kMaxTensors) + " tensors");
    if (!names_.insert(name).second) refuse_bytes(origin_, "two tensors are named " + name);
    const auto first =
        first_.try_emplace(Identity{tensor.storage.key, tensor.storage.first + tensor.offset,
                                    tensor.dtype + tensor.obstacle, tensor.shape, tensor.stride},
                           name);
    out_.tensors.push_back({name, &tensor, first.second ? "" : first.first->second});
  }

  using Identity = std::tuple<std::string, std::uint64_t, std::string, Shape, Shape>;

  const std::string& origin_;
  StateDict& out_;
  std::size_t unnamed_ = 0;
  std::size_t name_bytes_ = 0;
  std::set<std::string> names_;
  std::map<Identity, std::string> first_;
};

std::string keys_of(const PyValue& root) {
  std::string keys;
  for (std::size_t i = 0; i < root.items.size() && keys.size() < 300; i += 2)
    if (root.items[i]->is_text()) keys += (keys.empty() ? "" : ", ") + root.items[i]->text;
  return keys.empty() ? "none" : keys;
}

// The value of the first key that is there and holds more values; `wanted` alone counts where it is given.
const PyValue* find_part(const PyValue& root, const std::string& wanted,
                         const std::vector<std::string>& usual, std::string& found) {
  for (const std::string& key : wanted.empty() ? usual : std::vector<std::string>{wanted}) {
    const PyValue* value = root.find(key);
    if (value == nullptr || (!value->is_dict() && !value->is_sequence())) continue;
    found = key;
    return value;
  }
  return nullptr;
}

}  // namespace

bool is_unread_tensor(const PyValue& value) {
  return value.is_opaque() &&
         (value.text.starts_with("torch._utils._rebuild_") || value.text.find("Tensor") != std::string::npos);
}

StateDict flatten_state_dict(const PyValue& value, const std::string& origin) {
  StateDict out;
  Flattener(origin, out).walk(value, "");
  return out;
}

StateDictPair find_state_dicts(const PyValue& root, const StateDictKeys& keys, const std::string& origin) {
  StateDictPair parts;
  parts.optimizer = find_part(root, keys.optimizer,
                              {"optimizer_state_dict", "optimizer_state", "optimizer", "optimizer_states"},
                              parts.optimizer_key);
  parts.model = find_part(root, keys.model, {"model_state_dict", "state_dict", "model_state", "model"},
                          parts.model_key);
  // Lightning's: a list, of one optimizer as a rule.
  if (parts.optimizer != nullptr && parts.optimizer->is_sequence()) {
    if (parts.optimizer->items.size() != 1)
      refuse_bytes(origin,
                   std::to_string(parts.optimizer->items.size()) + " optimizers under " +
                       parts.optimizer_key + "; a run has one",
                   "Save the one that counts in Python, or start from the weights: model.weights=" + origin);
    parts.optimizer = parts.optimizer->items[0];
  }
  const std::string remedy = "Name it with --model-key or --optimizer-key";
  if (!keys.optimizer.empty() && parts.optimizer == nullptr)
    refuse_bytes(origin, "it has no optimizer under " + keys.optimizer + "; its keys: " + keys_of(root),
                 remedy);
  if (parts.model != nullptr) return parts;
  // Beside an optimizer the model must have a key of its own.
  if (!keys.model.empty() || parts.optimizer != nullptr)
    refuse_bytes(origin,
                 "no model under " + (keys.model.empty() ? "a usual key" : keys.model) +
                     "; its keys: " + keys_of(root),
                 remedy);
  parts.model = &root;
  return parts;
}

}  // namespace lockstep
