// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "exchange/formats/pickle_writer.h"
#include "exchange/formats/torch_writer.h"
#include "support/memory_file.h"

namespace lockstep {

// A file as a Python loop would save it, made value by value.
class PythonFile {
 public:
  // Floats first, first + 1, …
  PyValue* tensor(const Shape& shape, float first) {
    std::vector<float> numbers(static_cast<std::size_t>(element_count(shape)));
    std::iota(numbers.begin(), numbers.end(), first);
    return tensor_of(shape, numbers);
  }
  PyValue* tensor_of(const Shape& shape, const std::vector<float>& numbers) {
    const std::string key = std::to_string(storages_.size());
    Bytes bytes(numbers.size() * sizeof(float));
    std::memcpy(bytes.data(), numbers.data(), bytes.size());
    storages_.push_back({{key, DType::kFloat32, shape}, [bytes](std::span<std::byte> into) {
                           std::copy(bytes.begin(), bytes.end(), into.begin());
                         }});
    return pool_.tensor(whole_storage(key, DType::kFloat32, shape));
  }
  PyValue* number(double value) { return pool_.real(value); }
  PyValue* integer(std::int64_t value) { return pool_.integer(value); }
  PyValue* truth(bool value) { return pool_.boolean(value); }
  PyValue* list(std::vector<PyValue*> items) { return pool_.sequence(ValueKind::kList, std::move(items)); }
  PyValue* pair(double one, double other) {
    return pool_.sequence(ValueKind::kTuple, {number(one), number(other)});
  }
  PyValue* dict(const std::vector<std::pair<std::string, PyValue*>>& items) {
    PyValue* made = pool_.make(ValueKind::kDict);
    for (const auto& [key, value] : items) put(*made, pool_.text(key), value);
    return made;
  }
  PyValue* numbered(const std::vector<PyValue*>& items) {
    PyValue* made = pool_.make(ValueKind::kDict);
    for (std::size_t i = 0; i < items.size(); ++i)
      put(*made, integer(static_cast<std::int64_t>(i)), items[i]);
    return made;
  }

  std::string written(const PyValue& root) const {
    MemoryFile file;
    write_torch_file(file, root, storages_);
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
  }

 private:
  ValuePool pool_;
  std::vector<OutgoingTensor> storages_;
};

}  // namespace lockstep
