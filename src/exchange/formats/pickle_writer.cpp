// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/pickle_writer.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "exchange/formats/pickle_opcodes.h"
#include "exchange/formats/torch_types.h"
#include "lockstep/base/dtype.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

class PickleWriter {
 public:
  std::string take(const PyValue& root) {
    put(Opcode::kProto);
    out_.push_back(2);
    value(root);
    put(Opcode::kStop);
    return std::move(out_);
  }

 private:
  void put(Opcode opcode) { out_.push_back(static_cast<char>(opcode)); }
  void number(std::uint64_t bits, int bytes) {
    for (int i = 0; i < bytes; ++i) out_.push_back(static_cast<char>(bits >> (8 * i)));
  }
  void global(const std::string& module, const std::string& name) {
    put(Opcode::kGlobal);
    out_ += module + "\n" + name + "\n";
  }

  void text(const std::string& value) {
    put(Opcode::kBinUnicode);
    number(value.size(), 4);
    out_ += value;
  }

  void integer(std::int64_t value) {
    if (value >= std::numeric_limits<std::int32_t>::min() &&
        value <= std::numeric_limits<std::int32_t>::max()) {
      put(Opcode::kBinInt);
      number(static_cast<std::uint64_t>(value), 4);
      return;
    }
    put(Opcode::kLong1);
    out_.push_back(8);
    number(static_cast<std::uint64_t>(value), 8);
  }

  // Big-endian, alone among pickle's numbers.
  void real(double value) {
    put(Opcode::kBinFloat);
    const auto bits = std::bit_cast<std::uint64_t>(value);
    for (int shift = 56; shift >= 0; shift -= 8) out_.push_back(static_cast<char>(bits >> shift));
  }

  void boolean(bool value) { put(value ? Opcode::kNewTrue : Opcode::kNewFalse); }

  void items(const PyValue& value, Opcode end) {
    put(Opcode::kMark);
    for (const PyValue* item : value.items) this->value(*item);
    put(end);
  }

  void ordered_dict() {
    global("collections", "OrderedDict");
    put(Opcode::kEmptyTuple);
    put(Opcode::kReduce);
  }

  void value(const PyValue& value) {
    switch (value.kind) {
      case ValueKind::kNone:
        return put(Opcode::kNone);
      case ValueKind::kBool:
        return boolean(value.integer != 0);
      case ValueKind::kInt:
        return integer(value.integer);
      case ValueKind::kFloat:
        return real(value.real);
      case ValueKind::kText:
        return text(value.text);
      case ValueKind::kTuple:
        return items(value, Opcode::kTuple);
      case ValueKind::kList:
        put(Opcode::kEmptyList);
        return items(value, Opcode::kAppends);
      case ValueKind::kDict:
        put(Opcode::kEmptyDict);
        return items(value, Opcode::kSetItems);
      case ValueKind::kOrderedDict:
        ordered_dict();
        return items(value, Opcode::kSetItems);
      case ValueKind::kTensor:
        return tensor(*value.tensor);
      default:
        check(false, "only plain values and tensors are pickled");
    }
  }

  void sizes(const Shape& shape) {
    put(Opcode::kMark);
    for (const std::int64_t size : shape) integer(size);
    put(Opcode::kTuple);
  }

  // _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks). The 8-bit floats have no storage
  // type of their own: v3 adds the dtype.
  void tensor(const TensorRef& tensor) {
    const auto dtype = dtype_from_name(tensor.dtype);
    check(dtype.has_value(), "a tensor that is written has a dtype of Lockstep's");
    const auto typed = storage_of_dtype(*dtype);
    global("torch._utils", typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    put(Opcode::kMark);
    put(Opcode::kMark);
    text("storage");
    if (typed)
      global("torch", *typed);
    else
      global("torch.storage", "UntypedStorage");
    text(tensor.storage.key);
    text("cpu");
    integer(static_cast<std::int64_t>(tensor.storage.elements));
    put(Opcode::kTuple);
    put(Opcode::kBinPersId);
    integer(tensor.offset);
    sizes(tensor.shape);
    sizes(tensor.stride);
    boolean(false);
    ordered_dict();
    if (!typed) global("torch", tensor.dtype);
    put(Opcode::kTuple);
    put(Opcode::kReduce);
  }

  std::string out_;
};

}  // namespace

std::string write_pickle(const PyValue& root) {
  return PickleWriter().take(root);
}

TensorRef whole_storage(const std::string& key, DType dtype, const Shape& shape) {
  TensorRef tensor;
  tensor.dtype = name_of(dtype);
  tensor.storage = {key, tensor.dtype, static_cast<std::uint64_t>(element_count(shape)), 0};
  tensor.shape = shape;
  tensor.stride.assign(shape.size(), 1);
  // PyTorch's rule for tensors without elements too: a dimension of 0 counts as 1.
  for (std::size_t i = shape.size(); i-- > 1;)
    tensor.stride[i - 1] = tensor.stride[i] * std::max<std::int64_t>(shape[i], 1);
  return tensor;
}

}  // namespace lockstep
