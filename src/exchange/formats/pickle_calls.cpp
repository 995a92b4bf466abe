// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/pickle_calls.h"

#include <algorithm>
#include <array>

#include "exchange/formats/torch_types.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

// PyTorch's own limit is 64, that of Lockstep's formats 32.
constexpr std::size_t kMaxDimensions = 32;
// A number or an address; every tensor keeps a copy.
constexpr std::size_t kMaxKey = 256;

constexpr std::array<std::string_view, 20> kCallables = {
    "collections.OrderedDict",
    "collections.Counter",
    "collections.defaultdict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._tensor._rebuild_from_type_v2",
    "torch.nn.parameter.Parameter",
    "torch.nn.parameter.Buffer",
    "torch.Tensor",
    "torch.Size",
    "torch.device",
    "torch.serialization._get_layout",
    "_codecs.encode",
    "builtins.bytearray",
    "builtins.set",
    "builtins.complex",
    "torch.storage.UntypedStorage",
};

bool is_storage_type(std::string_view name) {
  // CUDA storages of old releases: the bytes are the same, wherever they lay.
  for (const std::string_view module : {"torch.cuda.", "torch.storage.", "torch."})
    if (name.starts_with(module)) return dtype_of_storage(name.substr(module.size())).has_value();
  return false;
}

bool is_rebuild(std::string_view name) {
  return name == "torch._utils._rebuild_tensor" || name == "torch._utils._rebuild_tensor_v2" ||
         name == "torch._utils._rebuild_tensor_v3";
}

// What the arguments behind those of every tensor say of its meaning: lazily negated or conjugated views,
// and whatever a later PyTorch adds.
std::string obstacle_in(const PyValue& arguments, std::size_t metadata) {
  if (arguments.items.size() > metadata + 1) return "an argument that Lockstep does not know";
  if (arguments.items.size() <= metadata) return "";
  const PyValue& value = *arguments.items[metadata];
  if (value.kind == ValueKind::kNone) return "";
  if (!value.is_dict()) return "an argument that Lockstep does not know";
  for (std::size_t i = 0; i < value.items.size(); i += 2) {
    const PyValue& flag = *value.items[i + 1];
    if (flag.kind == ValueKind::kBool && flag.integer == 0) continue;
    const std::string key = value.items[i]->is_text() ? value.items[i]->text : "?";
    return key == "neg"    ? "its negative bit is set (tensor.is_neg())"
           : key == "conj" ? "its conjugate bit is set (tensor.is_conj())"
                           : "its metadata has " + key;
  }
  return "";
}

}  // namespace

void PickleCalls::refuse(const std::string& fact) const {
  refuse_bytes(
      origin_, fact,
      "Save plain tensors in Python: torch.save(model.state_dict(), F), and nothing of a class of its own");
}

PyValue* PickleCalls::global(const std::string& module, const std::string& name) {
  const std::string full = (module == "__builtin__" ? "builtins" : module) + "." + name;
  PyValue* value = pool_.make(ValueKind::kGlobal);
  value->text = full;
  if (std::find(kCallables.begin(), kCallables.end(), full) != kCallables.end() || is_storage_type(full))
    return value;
  if (module == "torch" && torch_element_size(name)) {
    value->kind = ValueKind::kDtype;
    value->text = name;
    return value;
  }
  value->kind = ValueKind::kOpaque;
  return value;
}

const PyValue& PickleCalls::argument(const PyValue& arguments, std::size_t index, ValueKind kind) const {
  if (index >= arguments.items.size() || arguments.items[index]->kind != kind)
    refuse("argument " + std::to_string(index + 1) + " of a call is not of the kind torch.save writes");
  return *arguments.items[index];
}

PyValue* PickleCalls::call(const PyValue& callable, PyValue& arguments) {
  // Note [what is passed over]: an object of another class stands beside the tensors as its name alone. What
  // it was made of is dropped, and whoever wants it as a tensor gets a refusal with that name.
  if (callable.is_opaque()) return pool_.opaque(callable.text);
  if (callable.kind != ValueKind::kGlobal) refuse("something is called that is no function");
  if (arguments.kind != ValueKind::kTuple) refuse(callable.text + " is called with no tuple of arguments");
  const std::string& name = callable.text;
  if (name == "collections.OrderedDict" || name == "collections.Counter") return ordered_dict(arguments);
  if (name == "collections.defaultdict") return pool_.make(ValueKind::kDict);
  if (is_rebuild(name)) return tensor(arguments, name);
  if (name.starts_with("torch._utils._rebuild_parameter") || name == "torch.nn.parameter.Parameter")
    return unwrap(arguments);
  if (name == "torch._tensor._rebuild_from_type_v2") return tensor_of_a_class(arguments);
  if (name == "_codecs.encode" || name == "builtins.bytearray") return bytes(arguments);
  if (name == "torch.Size" || name == "builtins.set") return sequence(arguments);
  if (name == "builtins.complex") return &arguments;
  if (name == "torch.device" || name == "torch.serialization._get_layout") {
    argument(arguments, 0, ValueKind::kText);
    arguments.items[0]->kind = ValueKind::kDevice;
    return arguments.items[0];
  }
  refuse(name + " is not to be called");
}

// Note [nothing is copied]: a call gives its argument back under another kind. A copy would let a pickle of a
// few bytes ask for a large value again and again.
// OrderedDict(), or as Python 2 wrote it, OrderedDict([[key, value], …]); Counter({key: count}).
PyValue* PickleCalls::ordered_dict(const PyValue& arguments) {
  if (arguments.items.empty()) return pool_.make(ValueKind::kOrderedDict);
  PyValue& content = *arguments.items[0];
  if (content.is_sequence()) {
    std::vector<PyValue*> items;
    for (const PyValue* pair : content.items) {
      if (!pair->is_sequence() || pair->items.size() != 2)
        refuse("a dict is made of something that is no pair");
      items.insert(items.end(), pair->items.begin(), pair->items.end());
    }
    content.items = std::move(items);
  } else if (!content.is_dict()) {
    refuse("a dict is made of something that holds no pairs");
  }
  content.kind = ValueKind::kOrderedDict;
  return &content;
}

Shape PickleCalls::shape(const PyValue& value) const {
  if (value.items.size() > kMaxDimensions)
    refuse("a tensor of " + std::to_string(value.items.size()) + " dimensions; at most " +
           std::to_string(kMaxDimensions) + " are read");
  Shape out;
  for (const PyValue* item : value.items) {
    if (!item->is_int() || item->integer < 0) refuse("a size or stride that is no number of at least 0");
    out.push_back(item->integer);
  }
  return out;
}

// (storage, offset, size, stride[, requires_grad, hooks[, metadata]]); v3 has the dtype in front of metadata.
// Whether a gradient was wanted is the business of the model that takes the tensor.
PyValue* PickleCalls::tensor(const PyValue& arguments, const std::string& name) {
  TensorRef ref;
  ref.storage = argument(arguments, 0, ValueKind::kStorage).tensor->storage;
  ref.dtype = ref.storage.dtype;
  if (name.ends_with("_v3")) ref.dtype = argument(arguments, 6, ValueKind::kDtype).text;
  ref.offset = argument(arguments, 1, ValueKind::kInt).integer;
  ref.shape = shape(argument(arguments, 2, ValueKind::kTuple));
  ref.stride = shape(argument(arguments, 3, ValueKind::kTuple));
  if (ref.offset < 0 || ref.shape.size() != ref.stride.size())
    refuse("a tensor with a negative offset, or with more sizes than strides");
  ref.obstacle = obstacle_in(arguments, name.ends_with("_v3") ? 7 : 6);
  return pool_.tensor(std::move(ref));
}

// A parameter is its tensor.
PyValue* PickleCalls::unwrap(const PyValue& arguments) {
  if (!arguments.items.empty() && arguments.items[0]->is_opaque()) return arguments.items[0];
  return pool_.tensor(*argument(arguments, 0, ValueKind::kTensor).tensor);
}

// (function, type, arguments, state): a tensor with Python attributes, which are left out.
PyValue* PickleCalls::tensor_of_a_class(const PyValue& arguments) {
  const auto name_of = [&](std::size_t index) {
    const bool named = arguments.items.size() > index && (arguments.items[index]->is_opaque() ||
                                                          arguments.items[index]->kind == ValueKind::kGlobal);
    if (!named) refuse("a tensor of a class is made by what is no function");
    return arguments.items[index]->text;
  };
  const std::string function = name_of(0);
  const std::string type = name_of(1);
  const bool plain = type == "torch.Tensor" || type.starts_with("torch.nn.parameter.");
  if (!is_rebuild(function) || !plain) return pool_.opaque(plain ? function : type);
  return tensor(argument(arguments, 2, ValueKind::kTuple), function);
}

// encode(text, 'latin1') is how protocol 2 writes bytes.
PyValue* PickleCalls::bytes(const PyValue& arguments) {
  if (arguments.items.empty()) return pool_.make(ValueKind::kBytes);
  PyValue& content = *arguments.items[0];
  if (content.kind != ValueKind::kBytes && !content.is_text()) refuse("bytes are made of something else");
  content.kind = ValueKind::kBytes;
  return &content;
}

PyValue* PickleCalls::sequence(const PyValue& arguments) {
  if (arguments.items.size() != 1 || !arguments.items[0]->is_sequence())
    refuse("a torch.Size or set is made of something that is no list");
  arguments.items[0]->kind = ValueKind::kTuple;
  return arguments.items[0];
}

PyValue* PickleCalls::storage(const PyValue& id) {
  if (id.kind != ValueKind::kTuple || id.items.size() < 5 || id.items.size() > 6 || !id.items[0]->is_text() ||
      id.items[0]->text != "storage")
    refuse("a persistent id that is no storage");
  const PyValue& type = argument(id, 1, ValueKind::kGlobal);
  const auto dtype = dtype_of_storage(std::string_view(type.text).substr(type.text.rfind('.') + 1));
  if (!dtype) refuse(type.text + " is no storage type");
  StorageRef ref{argument(id, 2, ValueKind::kText).text, *dtype, 0, 0};
  if (ref.key.size() > kMaxKey)
    refuse("a storage whose key is longer than " + std::to_string(kMaxKey) + " bytes");
  std::int64_t elements = argument(id, 4, ValueKind::kInt).integer;
  std::int64_t first = 0;
  if (id.items.size() == 6 && id.items[5]->kind != ValueKind::kNone) {
    // A storage that is a part of another: (its own key, first element, elements).
    const PyValue& view = argument(id, 5, ValueKind::kTuple);
    first = argument(view, 1, ValueKind::kInt).integer;
    elements = argument(view, 2, ValueKind::kInt).integer;
  }
  if (elements < 0 || first < 0) refuse("a storage with a negative size");
  ref.elements = static_cast<std::uint64_t>(elements);
  ref.first = static_cast<std::uint64_t>(first);
  PyValue* value = pool_.make(ValueKind::kStorage);
  value->tensor = std::make_unique<TensorRef>();
  value->tensor->storage = std::move(ref);
  return value;
}

}  // namespace lockstep
