// SPDX-License-Identifier: Apache-2.0
#include "cli/tensor_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "cli/ckpt_common.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

// Deeper parts stay together: a name of a million dots must not become a million levels.
constexpr std::size_t kDeepest = 12;

// "2" before "10".
struct ByNumber {
  bool operator()(const std::string& left, const std::string& right) const {
    const auto is_number = [](const std::string& text) {
      return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
    };
    if (is_number(left) && is_number(right) && left.size() != right.size()) return left.size() < right.size();
    return left < right;
  }
};

struct Branch {
  std::map<std::string, Branch, ByNumber> below;
  std::map<std::string, const WeightsTensor*, ByNumber> tensors;
  std::size_t count = 0;
  std::uint64_t bytes = 0;
};

// "model", "layers", "0" and the last part; "optimizer/exp_avg" is one part.
std::vector<std::string> parts_of(const TensorKey& key) {
  std::vector<std::string> parts{key.group()};
  std::size_t begin = 0;
  for (std::size_t dot = key.name.find('.'); dot != std::string::npos && parts.size() < kDeepest;
       dot = key.name.find('.', begin)) {
    parts.push_back(key.name.substr(begin, dot - begin));
    begin = dot + 1;
  }
  parts.push_back(key.name.substr(begin));
  return parts;
}

void add(Branch& root, const WeightsTensor& tensor) {
  const std::vector<std::string> parts = parts_of(tensor.key);
  Branch* at = &root;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    at = &at->below[parts[i]];
    ++at->count;
    at->bytes += byte_count(tensor);
  }
  at->tensors[parts.back()] = &tensor;
}

void write(const Branch& branch, std::size_t depth, std::string& out) {
  const std::string indent(2 * depth, ' ');
  for (const auto& [name, tensor] : branch.tensors)
    out += fmt::format("{:<44} {:>10}  {:<14} {}\n", indent + printable(name),
                       human_bytes(byte_count(*tensor)), name_of(tensor->dtype), shape_text(tensor->shape));
  for (const auto& [name, child] : branch.below) {
    // A branch with one branch and nothing else takes no line of its own.
    std::string label = printable(name);
    const Branch* at = &child;
    while (depth > 0 && at->tensors.empty() && at->below.size() == 1) {
      label += "." + printable(at->below.begin()->first);
      at = &at->below.begin()->second;
    }
    out += fmt::format("{:<44} {:>10}  {} tensor{}\n", indent + label, human_bytes(at->bytes), at->count,
                       at->count == 1 ? "" : "s");
    write(*at, depth + 1, out);
  }
}

}  // namespace

std::string tensor_tree(std::span<const WeightsTensor> tensors) {
  Branch root;
  for (const WeightsTensor& tensor : tensors) add(root, tensor);
  std::string out;
  write(root, 0, out);
  return out;
}

}  // namespace lockstep
