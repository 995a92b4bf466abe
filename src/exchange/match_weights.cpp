// SPDX-License-Identifier: Apache-2.0
#include "exchange/match_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "exchange/tied_weights.h"
#include "lockstep/base/log.h"

namespace lockstep {

namespace {

constexpr std::string_view kCounter = "num_batches_tracked";

// What only one side has: names of the model, and of the file.
struct UnmatchedNames {
  std::vector<std::string> missing;
  std::vector<std::string> left_over;

  bool empty() const { return missing.empty() && left_over.empty(); }
  // Throws Fault (78); where a name of the file ends in a name of the model, with the prefix to take off.
  [[noreturn]] void refuse() const {
    for (const std::string& name : left_over)
      for (const std::string& wanted : missing)
        if (name.size() > wanted.size() && name.ends_with("." + wanted))
          refuse_weights(wanted,
                         "the model has it, the file does not" + more(missing) + "; the file has " + name,
                         "Take the prefix off: --strip " + name.substr(0, name.size() - wanted.size()) +
                             ", or model.weights_strip");
    if (!missing.empty())
      refuse_weights(missing[0], "the model has it, the file does not" + more(missing) +
                                     (left_over.empty() ? "" : "; the file has " + printable(left_over[0])));
    refuse_weights(left_over[0], "the file has it, the model does not" + more(left_over));
  }

 private:
  static std::string more(const std::vector<std::string>& names) {
    return names.size() > 1 ? fmt::format(" ({} such)", names.size()) : "";
  }
};

class Matching {
 public:
  Matching(const std::vector<WeightsPlace>& places, const WeightsSource& source, const NameRules& rules,
           Conversion conversion)
      : places_(places), tied_(source), rules_(rules), conversion_(conversion) {
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
    if (!unmatched_.empty()) unmatched_.refuse();
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
      if (!found.empty() && is_transposed(given_[found[0]]->shape, place.type.shape)) transposed_ = found[0];
      return nullptr;
    }
    if (found.empty()) {
      unmatched_.missing.push_back(place.names.front());
      return nullptr;
    }
    const WeightsTensor* tensor = given_[found[0]];
    require_fit(found[0], *tensor, place.type, conversion_);
    for (std::size_t i = 1; i < found.size(); ++i)
      if (!tied_.are_one(*tensor, *given_[found[i]]))
        refuse_weights(found[i], "one tensor with " + found[0] + " in the model, another in the file",
                       "Untie them in the model, or save the one that counts under both names");
    if (place.type.shape.size() == 2 && place.type.shape[0] == place.type.shape[1])
      square_.push_back(found[0]);
    taken_.insert(tensor);
    return tensor;
  }

  // BatchNorm counts its batches since PyTorch 0.4.1; load_state_dict(strict=True) takes older files too.
  void tolerate_counters() {
    const auto is_counter = [](const std::string& name) {
      return name == kCounter || name.ends_with("." + std::string(kCounter));
    };
    if (std::any_of(given_.begin(), given_.end(), [&](const auto& item) { return is_counter(item.first); }))
      return;
    const auto counters = std::erase_if(unmatched_.missing, [&](const std::string& name) {
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
    for (const WeightsTensor* tensor : taken_) roots.insert(TiedWeights::root_of(*tensor));
    for (const auto& [name, tensor] : given_) {
      if (taken_.contains(tensor) || matches_any(name, rules_.skip) ||
          roots.contains(TiedWeights::root_of(*tensor)))
        continue;
      if (const WeightsTensor* twin = tied_.twin_of(*tensor, taken_))
        out_.said.push_back(name + " has the bits of " + twin->key.name + ", with which it is tied");
      else if (!belongs_to_a_place(name))
        unmatched_.left_over.push_back(name);
    }
    if (!transposed_.empty() && !square_.empty())
      refuse_weights(
          square_[0],
          "it is square, and " + transposed_ + " of the same file is transposed, so this one may be too",
          "Transpose such weights in Python, or skip this one as well");
  }

  bool belongs_to_a_place(const std::string& name) const {
    return std::any_of(places_.begin(), places_.end(), [&](const WeightsPlace& place) {
      return std::find(place.names.begin(), place.names.end(), name) != place.names.end();
    });
  }

  const std::vector<WeightsPlace>& places_;
  TiedWeights tied_;
  const NameRules& rules_;
  Conversion conversion_;
  std::map<std::string, const WeightsTensor*> given_;  // by the name in the model
  std::set<const WeightsTensor*> taken_;
  std::vector<std::string> square_;
  std::string transposed_;
  UnmatchedNames unmatched_;
  WeightsMatch out_;
};

}  // namespace

WeightsMatch match_weights(const std::vector<WeightsPlace>& places, const WeightsSource& source,
                           const NameRules& rules, Conversion conversion) {
  return Matching(places, source, rules, conversion).run();
}

}  // namespace lockstep
