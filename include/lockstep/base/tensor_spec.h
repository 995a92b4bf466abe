// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lockstep/base/dtype.h"

namespace lockstep {

// What the bytes of a tensor mean, row-major and without gaps; not what it is called, nor where they lie.
struct TensorType {
  DType dtype = DType::kFloat32;
  std::vector<std::int64_t> shape;  // a Shape

  bool operator==(const TensorType&) const = default;
};

// Throws Bug as byte_count(DType, Shape).
std::uint64_t byte_count(const TensorType& type);

// "[64, 3, 7, 7] float32", for messages.
std::string type_text(const TensorType& type);

// A type, and where it was found: "in the file", "in the model".
struct TypeSide {
  const TensorType& type;
  std::string_view where;
};
// What two types differ in, the shape first: "shape [2] in the file, [3] in the model". Empty when they are
// equal.
std::string type_difference(const TypeSide& one, const TypeSide& other);

// A tensor by its name: a field of a sample, a dataset of a file.
struct TensorSpec : TensorType {
  std::string name;

  TensorSpec() = default;
  TensorSpec(std::string of, DType dtype, std::vector<std::int64_t> shape)
      : TensorType{dtype, std::move(shape)}, name(std::move(of)) {}
  bool operator==(const TensorSpec&) const = default;
};

}  // namespace lockstep
