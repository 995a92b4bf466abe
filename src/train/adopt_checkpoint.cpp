// SPDX-License-Identifier: Apache-2.0
#include "train/adopt_checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "exchange/foreign_weights.h"
#include "exchange/formats/foreign_file.h"
#include "exchange/formats/optimizer_state.h"
#include "exchange/match_weights.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
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

constexpr double kSome = -1;  // updates, nobody knows how many

class Adoption {
 public:
  Adoption(TrainingState& state, const std::string& path, const AdoptionOptions& options)
      : state_(state),
        path_(path),
        options_(options),
        file_(open_foreign_file(path)),
        parts_(find_parts(file_->root(), options.keys, path)),
        places_(state.places()),
        groups_(state.groups_by_name()) {
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
      wanted.push_back(
          {found == names.end() ? std::vector{place.key.name} : found->second, place.dtype, place.shape});
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

  // The number of each parameter in an optimizer without names.
  std::vector<std::size_t> numbers_of(const std::vector<ArenaEntry>& entries,
                                      const OptimizerState& optimizer) const {
    std::vector<FileParameter> parameters;
    for (const ArenaEntry& entry : entries) {
      const auto found = name_in_file_.find(entry.name);
      parameters.push_back(
          {found == name_in_file_.end() ? entry.name : found->second, entry.shape, groups_.at(entry.name)});
    }
    std::vector<std::string> in_file;
    for (const NamedTensor& tensor : flatten_state_dict(*parts_.model, path_).tensors)
      in_file.push_back(tensor.name);
    return order_of_optimizer(parameters, in_file, optimizer, file_->root());
  }

  // Those of the optimizer may have the prefixes of the file's tensors, or not.
  std::vector<std::string> names_of(const OptimizerState& optimizer) const {
    std::set<std::string> wanted;
    for (const MutableStateTensor& place : places_)
      if (place.key.in_model()) wanted.insert(place.key.name);
    const std::vector<std::string> plain = map_names(optimizer.names, wanted, {}).names;
    const bool fit = std::all_of(plain.begin(), plain.end(),
                                 [&](const std::string& name) { return wanted.contains(name); });
    return fit ? plain : map_names(optimizer.names, wanted, options_.names).names;
  }

  // The parameter at each place of the optimizer. Without names torch.optim has only numbers, in the order in
  // which one list of parameters was given to it: all of them, or those that are trained.
  std::vector<std::string> parameters_of(const OptimizerState& optimizer) const {
    const ModelArena& arena = state_.arena();
    const std::size_t count = optimizer.parameters.size();
    const auto& entries = count == arena.parameters().size() ? arena.parameters() : arena.trainable();
    if (count != entries.size())
      refuse(fmt::format(
          "{}: the optimizer has {} parameters, the model {}{}", path_, count, arena.parameters().size(),
          arena.frozen().empty() ? "" : fmt::format(", {} of them trainable", entries.size())));
    if (!optimizer.names.empty()) return names_of(optimizer);
    const std::vector<std::size_t> order = numbers_of(entries, optimizer);
    if (order.size() != entries.size())
      refuse(fmt::format(
          "{}: the optimizer has {} parameter groups and no param_names, and they are not as large as those "
          "of optim.groups (the rest first), so its numbers do not say which parameter they mean",
          path_, optimizer.groups.size()));
    std::vector<std::string> names;
    for (const std::size_t place : order) names.push_back(entries[place].name);
    return names;
  }

  // What the config says for each of the file's groups: for the first of its parameters.
  std::vector<OptimOptions> options_for(const OptimizerState& optimizer,
                                        const std::vector<std::string>& names) const {
    std::vector<OptimOptions> options;
    std::size_t first = 0;
    for (const PyValue* group : optimizer.groups) {
      const auto found = first < names.size() ? groups_.find(names[first]) : groups_.end();
      options.push_back(options_of_group(options_.optim, found == groups_.end() ? kNoGroup : found->second));
      first += group->find("params")->items.size();
    }
    return options;
  }

  void take_optimizer(AdoptedCheckpoint& adopted) {
    const OptimizerState optimizer = read_optimizer_state(*parts_.optimizer, path_);
    const std::vector<std::string> names = parameters_of(optimizer);
    const std::vector<OptimOptions> options = options_for(optimizer, names);
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
      // SGD keeps no count; its kernel asks only whether this is the first update.
      updates_[name] = step == slot.end() ? kSome : step_count(*step->second, *file_, path_);
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
  }

  void take_slot(const MutableStateTensor& place, std::map<std::string, OptimizerState::Slots>& slots) {
    const auto parameter = slots.find(place.key.name);
    if (parameter == slots.end())
      refuse(fmt::format("{}: the optimizer does not name {}", path_, place.key.name));
    const auto slot = parameter->second.find(place.key.slot);
    if (slot == parameter->second.end()) {
      if (updates_.contains(place.key.name))
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
    const std::set<std::string> known = {place.epoch_key, place.step_key, "loss", parts_.model_key,
                                         parts_.optimizer_key};
    for (std::size_t i = 0; i < root.items.size(); i += 2)
      if (root.items[i]->is_text() && !known.contains(root.items[i]->text))
        adopted.unused.push_back(root.items[i]->text);
    set_steps(adopted.step);
  }

  // A loop that accumulates gradients may count something else than updates.
  void compare_counts(AdoptedCheckpoint& adopted, const std::string& key) const {
    if (!adopted.step || updates_.empty()) return;
    const double most =
        std::max_element(updates_.begin(), updates_.end(), [](const auto& one, const auto& other) {
          return one.second < other.second;
        })->second;
    if (most != kSome && most != static_cast<double>(*adopted.step))
      adopted.differences.push_back(fmt::format(
          "updates: {} in the file's optimizer; its {} is {}, which counts for the place in the data", most,
          key, *adopted.step));
  }

  void set_steps(const std::optional<std::int64_t>& step) {
    std::vector<double> steps;
    const bool stateless = state_.optimizer().slots().empty();
    for (const ArenaEntry& entry : state_.arena().trainable()) {
      if (stateless) updates_[entry.name] = kSome;
      const auto found = updates_.find(entry.name);
      steps.push_back(found == updates_.end() ? 0 : found->second);
      if (steps.back() == kSome) steps.back() = std::max(1.0, static_cast<double>(step.value_or(0)));
    }
    state_.optimizer().set_steps(std::move(steps));
  }

  TrainingState& state_;
  std::string path_;
  const AdoptionOptions& options_;
  std::unique_ptr<ForeignFile> file_;
  CheckpointParts parts_;
  std::vector<MutableStateTensor> places_;
  std::map<std::string, int> groups_;                // of optim.groups, by parameter
  std::map<std::string, std::string> name_in_file_;  // of the model's tensors that were taken
  // Of each parameter with state.
  std::map<std::string, double> updates_;
};

}  // namespace

AdoptedCheckpoint adopt_checkpoint(TrainingState& state, const std::string& path,
                                   const AdoptionOptions& options) {
  return Adoption(state, path, options).run();
}

}  // namespace lockstep
