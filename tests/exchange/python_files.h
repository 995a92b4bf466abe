// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "exchange/formats/foreign_file.h"
#include "exchange/formats/pickle_opcodes.h"
#include "exchange/formats/safetensors_file.h"
#include "exchange/formats/state_dict.h"
#include "exchange/formats/torch_file.h"
#include "exchange/formats/zip_writer.h"
#include "lockstep/base/error.h"
#include "support/memory_file.h"

namespace lockstep {

inline Bytes content_of(const ForeignFile& file, const TensorRef& tensor) {
  Bytes bytes(byte_count(tensor));
  file.read(tensor, bytes);
  return bytes;
}

// Every tensor of a file by name; what a dtype of Lockstep's lacks is left out.
inline std::map<std::string, Bytes> contents_of(const ForeignFile& file) {
  std::map<std::string, Bytes> out;
  for (const NamedTensor& tensor : flatten_state_dict(file.root(), "file").tensors)
    if (dtype_from_name(tensor.tensor->dtype)) out[tensor.name] = content_of(file, *tensor.tensor);
  return out;
}

inline std::unique_ptr<ForeignFile> open_pth(std::span<const std::byte> bytes) {
  return open_torch_file(std::make_shared<MemoryFile>(bytes), "hostile.pth");
}

// A pickle written opcode by opcode.
class PickleText {
 public:
  PickleText() { op(Opcode::kProto).raw(std::string(1, 2)); }
  PickleText& op(Opcode opcode) { return raw(std::string(1, static_cast<char>(opcode))); }
  PickleText& raw(const std::string& bytes) {
    text_ += bytes;
    return *this;
  }
  PickleText& global(const std::string& module, const std::string& name) {
    return op(Opcode::kGlobal).raw(module + "\n" + name + "\n");
  }
  PickleText& text(const std::string& value) {
    return op(Opcode::kBinUnicode).number(value.size(), 4).raw(value);
  }
  PickleText& integer(std::int64_t value) {
    return op(Opcode::kLong1).raw("\x08").number(static_cast<std::uint64_t>(value), 8);
  }
  PickleText& sizes(const std::vector<std::int64_t>& values) {
    op(Opcode::kMark);
    for (const std::int64_t value : values) integer(value);
    return op(Opcode::kTuple);
  }
  // A tensor over storage `key` of floats that claims `elements`.
  PickleText& tensor(const std::string& key, std::int64_t elements, const std::vector<std::int64_t>& shape,
                     const std::vector<std::int64_t>& stride, std::int64_t offset = 0) {
    global("torch._utils", "_rebuild_tensor_v2").op(Opcode::kMark).op(Opcode::kMark).text("storage");
    global("torch", "FloatStorage").text(key).text("cpu").integer(elements).op(Opcode::kTuple);
    op(Opcode::kBinPersId).integer(offset).sizes(shape).sizes(stride).op(Opcode::kNewFalse);
    global("collections", "OrderedDict").op(Opcode::kEmptyTuple).op(Opcode::kReduce);
    return op(Opcode::kTuple).op(Opcode::kReduce);
  }
  PickleText& number(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) text_.push_back(static_cast<char>(value >> (8 * i)));
    return *this;
  }
  std::string stop() { return text_ + static_cast<char>(Opcode::kStop); }

 private:
  std::string text_;
};

// A zip file of torch.save's with this data.pkl and these storages.
inline Bytes pth_with(const std::string& pickle, const std::map<std::string, std::string>& storages = {},
                      const std::string& byteorder = "little") {
  MemoryFile file;
  ZipWriter zip(file);
  zip.add("any name/data.pkl", pickle);
  zip.add("any name/byteorder", byteorder);
  for (const auto& [key, bytes] : storages) zip.add("any name/data/" + key, bytes);
  zip.add("any name/version", "3\n");
  zip.finish();
  return file.bytes();
}

// What the Fault says that `run` throws; fails the test when there is none, or one of another code than 65.
template <class Run>
std::string refusal(Run run) {
  try {
    run();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kNoValidCheckpoint) << fault.what();
    return fault.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return "";
}

inline std::string refusal_of_pickle(const std::string& pickle) {
  return refusal([&] { contents_of(*open_pth(pth_with(pickle, {{"0", std::string(16, 'x')}}))); });
}

}  // namespace lockstep
