// SPDX-License-Identifier: Apache-2.0
#include "exchange/match_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

constexpr std::string_view kCounter = "num_batches_tracked";

[[noreturn]] void refuse(const std::string& name, const std::string& what, std::string remedy = "") {
  throw Fault(ExitCode::kConfig, fmt::format("weights: {}: {}", printable(name), what),
              remedy.empty() ? "Use the model they were made for, or name such tensors in model.weights_skip"
                             : std::move(remedy));
}

std::string kind_of(const Shape& shape, DType dtype) {
  return fmt::format("[{}] {}", fmt::join(shape, ", "), name_of(dtype));
}

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

bool is_transposed(const Shape& one, const Shape& other) {
  return one.size() == 2 && other.size() == 2 && one[0] != one[1] && one[0] == other[1] && one[1] == other[0];
}

class Matching {
 public:
  Matching(const std::vector<WeightsPlace>& places, const WeightsSource& source, const NameRules& rules,
           Conversion conversion)
      : places_(places), source_(source), rules_(rules), conversion_(conversion) {
    std::vector<std::string> given;
    std::set<std::string> wanted;
    for (const WeightsTensor& tensor : source.tensors()) given.push_back(tensor.key.name);
    for (const WeightsPlace& place : places) wanted.insert(place.names.begin(), place.names.end());
    MappedNames mapped = map_names(std::move(given), wanted, rules);
    for (std::size_t i = 0; i < mapped.names.size(); ++i) given_[mapped.names[i]] = &source.tensors()[i];
    out_.said = std::move(mapped.said);
  }

  WeightsMatch run() {
    find_idle_skips();
    for (const WeightsPlace& place : places_) out_.from.push_back(take(place));
    tolerate_counters();
    judge_left_over();
    if (!missing_.empty() || !left_over_.empty()) refuse_names();
    return std::move(out_);
  }

 private:
  void find_idle_skips() {
    for (const std::string& glob : rules_.skip) {
      const auto hits = [&](const std::string& name) { return matches_any(name, {glob}); };
      const bool in_model = std::any_of(places_.begin(), places_.end(), [&](const WeightsPlace& place) {
        return std::any_of(place.names.begin(), place.names.end(), hits);
      });
      if (!in_model &&
          std::none_of(given_.begin(), given_.end(), [&](const auto& item) { return hits(item.first); }))
        out_.idle_skips.push_back(glob);
    }
  }

  const WeightsTensor* take(const WeightsPlace& place) {
    std::vector<std::string> found;
    for (const std::string& name : place.names)
      if (given_.contains(name)) found.push_back(name);
    const bool skip = std::any_of(place.names.begin(), place.names.end(),
                                  [&](const std::string& name) { return matches_any(name, rules_.skip); });
    if (skip) {
      out_.skipped.push_back(place.names.front());
      if (!found.empty() && is_transposed(given_[found[0]]->shape, place.shape)) transposed_ = found[0];
      return nullptr;
    }
    if (found.empty()) {
      missing_.push_back(place.names.front());
      return nullptr;
    }
    const WeightsTensor* tensor = given_[found[0]];
    check_fit(found[0], *tensor, place);
    for (std::size_t i = 1; i < found.size(); ++i)
      if (!same_bits(*tensor, *given_[found[i]]))
        refuse(found[i], "one tensor with " + found[0] + " in the model, another in the file",
               "Untie them in the model, or save the one that counts under both names");
    if (place.shape.size() == 2 && place.shape[0] == place.shape[1]) square_.push_back(found[0]);
    taken_.insert(tensor);
    return tensor;
  }

  void check_fit(const std::string& name, const WeightsTensor& tensor, const WeightsPlace& place) const {
    if (!tensor.obstacle.empty()) refuse_bytes("tensor " + name, tensor.obstacle);
    const bool dtype_fits =
        conversion_ == Conversion::kNone ? tensor.dtype == place.dtype : converts(tensor.dtype, place.dtype);
    const std::string kinds =
        fmt::format("is {} in the file, {} in the model", kind_of(tensor.shape, tensor.dtype),
                    kind_of(place.shape, place.dtype));
    if (is_transposed(tensor.shape, place.shape))
      refuse(name, kinds + ": the file keeps it transposed, as Conv1D of transformers does",
             "Transpose every such weight in Python, the square ones too: state[name] = state[name].t()");
    if (tensor.shape != place.shape)
      refuse(name, fmt::format("shape [{}] in the file, [{}] in the model; it {}",
                               fmt::join(tensor.shape, ", "), fmt::join(place.shape, ", "), kinds));
    if (!dtype_fits)
      refuse(name, kinds,
             conversion_ == Conversion::kNone ? "Convert it in Python, or set train.dtype to the file's"
                                              : "Convert it in Python");
  }

  bool same_bits(const WeightsTensor& one, const WeightsTensor& other) const {
    if (root_of(one) == root_of(other)) return true;
    if (one.dtype != other.dtype || one.shape != other.shape || !other.obstacle.empty()) return false;
    return bytes_of(one) == bytes_of(other);
  }

  static const std::string& root_of(const WeightsTensor& tensor) {
    return tensor.alias_of.empty() ? tensor.key.name : tensor.alias_of;
  }

  std::vector<std::byte> bytes_of(const WeightsTensor& tensor) const {
    std::vector<std::byte> bytes(static_cast<std::size_t>(element_count(tensor.shape)) *
                                 size_of(tensor.dtype));
    source_.read(tensor.key.name, bytes);
    return bytes;
  }

  // BatchNorm counts its batches since PyTorch 0.4.1; load_state_dict(strict=True) takes older files too.
  void tolerate_counters() {
    const auto is_counter = [](const std::string& name) {
      return name == kCounter || name.ends_with("." + std::string(kCounter));
    };
    if (std::any_of(given_.begin(), given_.end(), [&](const auto& item) { return is_counter(item.first); }))
      return;
    const auto counters = std::erase_if(missing_, [&](const std::string& name) {
      return is_counter(name) &&
             given_.contains(name.substr(0, name.size() - kCounter.size()) + "running_mean");
    });
    if (counters > 0)
      out_.said.push_back(fmt::format(
          "the file is of before PyTorch 0.4.1: {} counters num_batches_tracked keep their values",
          counters));
  }

  void judge_left_over() {
    std::set<std::string> roots;
    for (const WeightsTensor* tensor : taken_) roots.insert(root_of(*tensor));
    for (const auto& [name, tensor] : given_) {
      if (taken_.contains(tensor) || matches_any(name, rules_.skip) || roots.contains(root_of(*tensor)))
        continue;
      if (const WeightsTensor* twin = twin_of(*tensor))
        out_.said.push_back(name + " has the bits of " + twin->key.name + ", with which it is tied");
      else if (!belongs_to_a_place(name))
        left_over_.push_back(name);
    }
    if (!transposed_.empty() && !square_.empty())
      refuse(square_[0],
             "it is square, and " + transposed_ +
                 " of the same file is transposed, so this one "
                 "may be too",
             "Transpose such weights in Python, or skip this one as well");
  }

  bool belongs_to_a_place(const std::string& name) const {
    return std::any_of(places_.begin(), places_.end(), [&](const WeightsPlace& place) {
      return std::find(place.names.begin(), place.names.end(), name) != place.names.end();
    });
  }

  // Two copies of one tied matrix. Vectors are equal by chance, and so are matrices of one number.
  const WeightsTensor* twin_of(const WeightsTensor& tensor) const {
    if (tensor.shape.size() < 2 || !tensor.obstacle.empty()) return nullptr;
    std::vector<std::byte> bytes;
    for (const WeightsTensor* other : taken_) {
      if (other->shape != tensor.shape || other->dtype != tensor.dtype) continue;
      if (bytes.empty()) bytes = bytes_of(tensor);
      const auto step = static_cast<std::ptrdiff_t>(size_of(tensor.dtype));
      const bool one_number = std::equal(bytes.begin() + std::min<std::ptrdiff_t>(step, std::ssize(bytes)),
                                         bytes.end(), bytes.begin());
      if (!one_number && bytes_of(*other) == bytes) return other;
    }
    return nullptr;
  }

  static std::string more(const std::vector<std::string>& names) {
    return names.size() > 1 ? fmt::format(" ({} such)", names.size()) : "";
  }

  [[noreturn]] void refuse_names() const {
    for (const std::string& name : left_over_)
      for (const std::string& wanted : missing_)
        if (name.size() > wanted.size() && name.ends_with("." + wanted))
          refuse(wanted, "the model has it, the file does not" + more(missing_) + "; the file has " + name,
                 "Take the prefix off: --strip " + name.substr(0, name.size() - wanted.size()) +
                     ", or model.weights_strip");
    if (!missing_.empty())
      refuse(missing_[0], "the model has it, the file does not" + more(missing_) +
                              (left_over_.empty() ? "" : "; the file has " + printable(left_over_[0])));
    refuse(left_over_[0], "the file has it, the model does not" + more(left_over_));
  }

  const std::vector<WeightsPlace>& places_;
  const WeightsSource& source_;
  const NameRules& rules_;
  Conversion conversion_;
  std::map<std::string, const WeightsTensor*> given_;  // by the name in the model
  std::set<const WeightsTensor*> taken_;
  std::vector<std::string> square_;
  std::string transposed_;
  std::vector<std::string> missing_;
  std::vector<std::string> left_over_;
  WeightsMatch out_;
};

}  // namespace

WeightsMatch match_weights(const std::vector<WeightsPlace>& places, const WeightsSource& source,
                           const NameRules& rules, Conversion conversion) {
  return Matching(places, source, rules, conversion).run();
}

}  // namespace lockstep
