// SPDX-License-Identifier: Apache-2.0
#include "exchange/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "exchange/element_difference.h"

namespace lockstep {

namespace {

// A multiple of every element's size.
constexpr std::uint64_t kPiece = 1u << 20;

// By path: each side's number of it.
using Numbers = std::map<std::string, std::size_t>;

Numbers numbers_of(const TensorSource& source, bool model_only) {
  Numbers numbers;
  for (std::size_t i = 0; i < source.tensors().size(); ++i)
    if (!model_only || source.tensors()[i].key.in_model()) numbers[source.tensors()[i].key.path()] = i;
  return numbers;
}

Shape multi_index(std::uint64_t flat, const Shape& shape) {
  Shape index(shape.size());
  for (std::size_t d = shape.size(); d-- > 0;) {
    index[d] = static_cast<std::int64_t>(flat % static_cast<std::uint64_t>(shape[d]));
    flat /= static_cast<std::uint64_t>(shape[d]);
  }
  return index;
}

// Both streams are read to their end, so that damage anywhere is found.
ElementDifference compare_bytes(const WeightsTensor& tensor, TensorStream& first, TensorStream& second) {
  ElementDifference difference(tensor.dtype);
  std::uint64_t left = byte_count(tensor);
  std::vector<std::byte> a(std::min(left, kPiece)), b(a.size());
  while (left > 0) {
    const std::size_t run = std::min<std::uint64_t>(left, a.size());
    first.next(std::span(a).first(run));
    second.next(std::span(b).first(run));
    difference.compare(std::span(a).first(run), std::span(b).first(run));
    left -= run;
  }
  return difference;
}

struct Side {
  const TensorSource& source;
  std::size_t number;
  const WeightsTensor& tensor() const { return source.tensors()[number]; }
};

TensorComparison compare_one(const std::string& path, const Side& first, const Side& second) {
  const WeightsTensor& a = first.tensor();
  const WeightsTensor& b = second.tensor();
  TensorComparison row{.path = path};
  if (a.dtype != b.dtype) {
    row.outcome = TensorComparison::Outcome::kOtherDType;
    row.note = fmt::format("{} and {}", name_of(a.dtype), name_of(b.dtype));
    return row;
  }
  if (a.shape != b.shape) {
    row.outcome = TensorComparison::Outcome::kOtherShape;
    row.note = shape_text(a.shape) + " and " + shape_text(b.shape);
    return row;
  }
  const auto first_bytes = first.source.stream(first.number);
  const auto second_bytes = second.source.stream(second.number);
  const ElementDifference difference = compare_bytes(a, *first_bytes, *second_bytes);
  if (difference.equal()) return row;
  row.outcome = TensorComparison::Outcome::kDifferent;
  row.max_abs = difference.max_abs();
  row.max_rel = difference.max_rel();
  row.index = multi_index(*difference.worst(), a.shape);
  return row;
}

}  // namespace

bool Comparison::equal() const {
  return std::all_of(rows.begin(), rows.end(), [](const TensorComparison& row) {
    return row.outcome == TensorComparison::Outcome::kEqual;
  });
}

Comparison compare_tensors(const TensorSource& first, const TensorSource& second) {
  Comparison result;
  result.model_only = first.weights_only() != second.weights_only();
  const Numbers a = numbers_of(first, result.model_only);
  const Numbers b = numbers_of(second, result.model_only);
  for (const auto& [path, number] : a) {
    const auto other = b.find(path);
    result.rows.push_back(other == b.end() ? TensorComparison{path, TensorComparison::Outcome::kOnlyInFirst}
                                           : compare_one(path, {first, number}, {second, other->second}));
  }
  for (const auto& [path, number] : b)
    if (!a.contains(path)) result.rows.push_back({path, TensorComparison::Outcome::kOnlyInSecond});
  std::sort(result.rows.begin(), result.rows.end(),
            [](const auto& left, const auto& right) { return left.path < right.path; });
  return result;
}

}  // namespace lockstep
