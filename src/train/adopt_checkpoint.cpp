// SPDX-License-Identifier: Apache-2.0
#include "train/adopt_checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "exchange/foreign_weights.h"
#include "exchange/formats/foreign_file.h"
#include "exchange/formats/optimizer_state.h"
#include "exchange/match_weights.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "train/adopt_extra.h"
#include "train/option_differences.h"
#include "train/parameter_order.h"
#include "train/start_weights.h"

namespace lockstep {
namespace {

[[noreturn]] void refuse(const std::string& fact) {
  throw Fault(ExitCode::kConfig, fact, "Use the config of the model and optimizer that wrote the file");
}

std::string kind_of(const Shape& shape, const std::string& dtype) {
  return fmt::format("[{}] {}", fmt::join(shape, ", "), dtype);
}

// What the places of a file's optimizer mean for this model. What is referenced outlives it.
class FileOptimizer {
 public:
  struct Parts {
    const TrainingState& state;
    const std::string& path;
    const ForeignFile& file;
    const PyValue& model;
    const std::vector<MutableStateTensor>& places;
    const NameRules& rules;
    const std::map<std::string, std::string>& name_in_file;
  };
  FileOptimizer(const Parts& parts, const OptimizerState& optimizer)
      : parts_(parts), optimizer_(optimizer), groups_(parts.state.groups_by_name()) {}

  // The parameter at each place of the optimizer. Without names torch.optim has only numbers, in the order
  // in which one list of parameters was given to it: all of them, or those that are trained.
  std::vector<std::string> parameters() const {
    const ModelArena& arena = parts_.state.arena();
    const std::size_t count = optimizer_.parameters.size();
    const auto& entries = count == arena.parameters().size() ? arena.parameters() : arena.trainable();
    if (count != entries.size())
      refuse(
          fmt::format("{}: the optimizer has {} parameters, the model {}{}", parts_.path, count,
                      arena.parameters().size(),
                      arena.frozen().empty() ? "" : fmt::format(", {} of them trainable", entries.size())));
    if (!optimizer_.names.empty()) return names();
    const std::vector<std::size_t> order = numbers_of(entries);
    if (order.size() != entries.size())
      refuse(fmt::format(
          "{}: the optimizer has {} parameter groups and no param_names, and they are not as large as those "
          "of optim.groups (the rest first), so its numbers do not say which parameter they mean",
          parts_.path, optimizer_.groups.size()));
    std::vector<std::string> names;
    for (const std::size_t place : order) names.push_back(entries[place].name);
    return names;
  }

  // What the config says for each of the file's groups: for the first of its parameters.
  std::vector<OptimOptions> options(const OptimOptions& optim, const std::vector<std::string>& names) const {
    std::vector<OptimOptions> options;
    std::size_t first = 0;
    for (const PyValue* group : optimizer_.groups) {
      const auto found = first < names.size() ? groups_.find(names[first]) : groups_.end();
      options.push_back(options_of_group(optim, found == groups_.end() ? kNoGroup : found->second));
      first += group->find("params")->items.size();
    }
    return options;
  }

 private:
  // The number of each parameter in an optimizer without names.
  std::vector<std::size_t> numbers_of(const std::vector<ArenaEntry>& entries) const {
    std::vector<FileParameter> parameters;
    for (const ArenaEntry& entry : entries) {
      const auto found = parts_.name_in_file.find(entry.name);
      parameters.push_back({found == parts_.name_in_file.end() ? entry.name : found->second,
                            entry.shape.size(), groups_.at(entry.name)});
    }
    std::vector<std::string> in_file;
    for (const NamedTensor& tensor : flatten_state_dict(parts_.model, parts_.path).tensors)
      in_file.push_back(tensor.name);
    return order_of_optimizer(parameters, in_file, optimizer_, parts_.file.root());
  }

  // Those of the optimizer may have the prefixes of the file's tensors, or not.
  std::vector<std::string> names() const {
    std::set<std::string> wanted;
    for (const MutableStateTensor& place : parts_.places)
      if (place.key.in_model()) wanted.insert(place.key.name);
    const std::vector<std::string> plain = map_names(optimizer_.names, wanted, {}).names;
    const bool fit = std::all_of(plain.begin(), plain.end(),
                                 [&](const std::string& name) { return wanted.contains(name); });
    return fit ? plain : map_names(optimizer_.names, wanted, parts_.rules).names;
  }

  Parts parts_;
  const OptimizerState& optimizer_;
  std::map<std::string, int> groups_;  // of optim.groups, by parameter
};

// How many updates each parameter with state has had.
class UpdateCounts {
 public:
  static constexpr double kSome = -1;  // nobody knows how many

  // SGD keeps no count; its kernel asks only whether this is the first update.
  void note(const std::string& parameter, std::optional<double> count) {
    counts_[parameter] = count.value_or(kSome);
  }
  bool has(const std::string& parameter) const { return counts_.contains(parameter); }
  // Of the parameter that has had the most; empty where nobody knows.
  std::optional<double> most() const {
    const auto most = std::ranges::max_element(counts_, {}, [](const auto& one) { return one.second; });
    return most == counts_.end() || most->second == kSome ? std::nullopt : std::optional(most->second);
  }
  // As the optimizer takes them; what nobody knows is `step`, or at least one.
  std::vector<double> of(const std::vector<ArenaEntry>& entries, std::int64_t step) const {
    std::vector<double> steps;
    for (const ArenaEntry& entry : entries) {
      const auto found = counts_.find(entry.name);
      steps.push_back(found == counts_.end() ? 0 : found->second);
      if (steps.back() == kSome) steps.back() = std::max(1.0, static_cast<double>(step));
    }
    return steps;
  }

 private:
  std::map<std::string, double> counts_;
};

// Adds the keys of the file that are used up.
void take_extra(AdoptedCheckpoint& adopted, AdoptedExtra extra, std::set<std::string>& known) {
  known.merge(extra.keys);
  adopted.extra = std::move(extra.record);
  adopted.said.insert(adopted.said.end(), extra.said.begin(), extra.said.end());
  adopted.differences.insert(adopted.differences.end(), extra.differences.begin(), extra.differences.end());
  adopted.unused = std::move(extra.unused);
}

class Adoption {
 public:
  Adoption(TrainingState& state, const std::string& path, const AdoptionOptions& options)
      : state_(state),
        path_(path),
        options_(options),
        file_(open_foreign_file(path)),
        parts_(find_state_dicts(file_->root(), options.keys, path)),
        places_(state.places()) {
    if (parts_.optimizer == nullptr)
      throw Fault(
          ExitCode::kNoValidCheckpoint, path + ": it has no optimizer state, so no run can go on from it",
          "Start a new run from its weights: model.weights=" + path + ". Or name the key: --optimizer-key");
  }

  AdoptedCheckpoint run() {
    AdoptedCheckpoint adopted;
    adopted.model_key = parts_.model_key;
    take_model(adopted);
    take_optimizer(adopted);
    state_.commit_restore();
    read_numbers(adopted);
    return adopted;
  }

 private:
  void fill(const MutableStateTensor& place, const TensorRef& tensor) {
    const std::string wanted = kind_of(place.shape, std::string(name_of(place.dtype)));
    if (place.shape != tensor.shape || name_of(place.dtype) != tensor.dtype)
      refuse(fmt::format("{}: {} is {} in the file, {} in the model of the config", path_,
                         printable(place.key.path()), kind_of(tensor.shape, tensor.dtype), wanted));
    file_->read(tensor, place.bytes);
  }

  void take_model(AdoptedCheckpoint& adopted) {
    std::map<std::string, std::vector<std::string>> names;  // by the first
    for (const ModelTensor& tensor : tensors_of(state_.model())) names[tensor.names.front()] = tensor.names;
    std::vector<WeightsPlace> wanted;
    std::vector<const MutableStateTensor*> into;
    for (const MutableStateTensor& place : places_) {
      if (!place.key.in_model()) continue;
      const auto found = names.find(place.key.name);
      wanted.push_back({found == names.end() ? std::vector{place.key.name} : found->second, place});
      into.push_back(&place);
    }
    const auto source = weights_in(*file_, *parts_.model, path_);
    WeightsMatch match = match_weights(wanted, *source, options_.names, Conversion::kNone);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (match.from[i] == nullptr) continue;
      source->read(match.from[i]->key.name, into[i]->bytes);
      name_in_file_[into[i]->key.name] = match.from[i]->key.name;
    }
    adopted.said = std::move(match.said);
    for (const std::string& name : match.skipped) adopted.said.push_back(name + " keeps its initial values");
  }

  void take_optimizer(AdoptedCheckpoint& adopted) {
    const OptimizerState optimizer = read_optimizer_state(*parts_.optimizer, path_);
    const FileOptimizer of_file(
        {state_, path_, *file_, *parts_.model, places_, options_.names, name_in_file_}, optimizer);
    const std::vector<std::string> names = of_file.parameters();
    const std::vector<OptimOptions> options = of_file.options(options_.optim, names);
    adopted.differences = option_differences(optimizer, options, *file_);
    const PyValue* lr = options.empty() ? nullptr : optimizer.groups[0]->find("lr");
    if (lr != nullptr && options[0].lr > 0)
      adopted.lr = lr_of_group(options_.optim.lr, options[0].lr, as_number(*lr, *file_));
    std::map<std::string, OptimizerState::Slots> slots;
    for (std::size_t i = 0; i < names.size(); ++i) slots[names[i]] = optimizer.parameters[i];
    // What torch.optim still keeps of a parameter from before it was frozen is of no use.
    for (const ArenaEntry& entry : state_.arena().frozen()) slots.erase(entry.name);
    for (auto& [name, slot] : slots) {
      // Before the first gradient torch.optim has no state of a parameter, which is what zeros mean here.
      if (slot.empty()) continue;
      const auto step = slot.find("step");
      updates_.note(
          name, step == slot.end() ? std::nullopt : std::optional(step_count(*step->second, *file_, path_)));
      if (step != slot.end()) slot.erase(step);
    }
    for (const MutableStateTensor& place : places_) {
      if (place.key.in_model() || place.key.slot == "step") continue;
      take_slot(place, slots);
    }
    for (const auto& [name, slot] : slots)
      if (!slot.empty())
        refuse(fmt::format("{}: the file's optimizer has {} of {}, the config's has not", path_,
                           slot.begin()->first, printable(name)));
    require_kind(optimizer, options_.optim.type);
  }

  void take_slot(const MutableStateTensor& place, std::map<std::string, OptimizerState::Slots>& slots) {
    const auto parameter = slots.find(place.key.name);
    if (parameter == slots.end())
      refuse(fmt::format("{}: the optimizer does not name {}", path_, place.key.name));
    const auto slot = parameter->second.find(place.key.slot);
    if (slot == parameter->second.end()) {
      if (updates_.has(place.key.name))
        refuse(
            fmt::format("{}: the config's optimizer needs {}, the file has none", path_, place.key.path()));
      std::fill(place.bytes.begin(), place.bytes.end(), std::byte{0});
      return;
    }
    if (!slot->second->is_tensor())
      refuse(fmt::format("{}: {} is no tensor in the file", path_, place.key.path()));
    fill(place, *slot->second->tensor);
    parameter->second.erase(slot);
  }

  void read_numbers(AdoptedCheckpoint& adopted) {
    const PyValue& root = file_->root();
    const TrainingPlace place = read_place(*file_, options_.place, path_);
    adopted.epoch = place.epoch;
    adopted.step = place.step;
    compare_counts(adopted, place.step_key);
    const PyValue* loss = root.find("loss");
    adopted.loss = loss == nullptr ? std::nan("") : as_number(*loss, *file_);
    std::set<std::string> known = {place.epoch_key, place.step_key, "loss", parts_.model_key,
                                   parts_.optimizer_key};
    take_extra(adopted, adopt_extra(*file_, options_.precision, path_), known);
    for (std::size_t i = 0; i < root.items.size(); i += 2)
      if (root.items[i]->is_text() && !known.contains(root.items[i]->text))
        adopted.unused.push_back(root.items[i]->text);
    const auto& trainable = state_.arena().trainable();
    if (state_.optimizer().slots().empty())
      for (const ArenaEntry& entry : trainable) updates_.note(entry.name, std::nullopt);
    state_.optimizer().set_steps(updates_.of(trainable, adopted.step.value_or(0)));
  }

  // A loop that accumulates gradients may count something else than updates.
  void compare_counts(AdoptedCheckpoint& adopted, const std::string& key) const {
    const auto most = updates_.most();
    if (adopted.step && most && *most != static_cast<double>(*adopted.step))
      adopted.differences.push_back(fmt::format(
          "updates: {} in the file's optimizer; its {} is {}, which counts for the place in the data", *most,
          key, *adopted.step));
  }

  TrainingState& state_;
  std::string path_;
  const AdoptionOptions& options_;
  std::unique_ptr<ForeignFile> file_;
  StateDictPair parts_;
  std::vector<MutableStateTensor> places_;
  std::map<std::string, std::string> name_in_file_;  // of the model's tensors that were taken
  UpdateCounts updates_;
};

}  // namespace

AdoptedCheckpoint adopt_checkpoint(TrainingState& state, const std::string& path,
                                   const AdoptionOptions& options) {
  return Adoption(state, path, options).run();
}

}  // namespace lockstep
