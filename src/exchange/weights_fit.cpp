// SPDX-License-Identifier: Apache-2.0
#include "exchange/weights_fit.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

// Their values mean nothing without a scale that is kept elsewhere.
bool is_scaled(DType dtype) {
  return name_of(dtype).starts_with("float8");
}

bool converts(DType from, DType to) {
  if (from == to) return true;
  if (is_floating(from) != is_floating(to) || is_scaled(from) || is_scaled(to)) return false;
  const auto is_bool = [](DType dtype) { return name_of(dtype) == "bool"; };
  if (is_bool(from) || is_bool(to)) return false;
  return is_floating(from) ||
         (size_of(from) < size_of(to) && name_of(from).starts_with("u") == name_of(to).starts_with("u"));
}

}  // namespace

bool is_transposed(const Shape& one, const Shape& other) {
  return one.size() == 2 && other.size() == 2 && one[0] != one[1] && one[0] == other[1] && one[1] == other[0];
}

void require_fit(const std::string& name, const WeightsTensor& tensor, const TensorType& place,
                 Conversion conversion) {
  if (!tensor.obstacle.empty()) refuse_bytes("tensor " + name, tensor.obstacle);
  const bool dtype_fits =
      conversion == Conversion::kNone ? tensor.dtype == place.dtype : converts(tensor.dtype, place.dtype);
  const std::string kinds =
      fmt::format("is {} in the file, {} in the model", type_text(tensor), type_text(place));
  if (is_transposed(tensor.shape, place.shape))
    refuse_weights(
        name, kinds + ": the file keeps it transposed, as Conv1D of transformers does",
        "Transpose every such weight in Python, the square ones too: state[name] = state[name].t()");
  if (tensor.shape != place.shape)
    refuse_weights(name, type_difference({tensor, "in the file"}, {place, "in the model"}) + "; it " + kinds);
  if (!dtype_fits)
    refuse_weights(name, kinds,
                   conversion == Conversion::kNone ? "Convert it in Python, or set train.dtype to the file's"
                                                   : "Convert it in Python");
}

void refuse_weights(const std::string& name, const std::string& what, std::string remedy) {
  throw Fault(ExitCode::kConfig, fmt::format("weights: {}: {}", printable(name), what),
              remedy.empty() ? "Use the model they were made for, or name such tensors in model.weights_skip"
                             : std::move(remedy));
}

}  // namespace lockstep
