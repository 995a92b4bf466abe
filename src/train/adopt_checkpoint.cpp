// SPDX-License-Identifier: Apache-2.0
#include "train/adopt_checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "checkpoint/interchange/foreign_file.h"
#include "checkpoint/interchange/optimizer_state.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

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
  Adoption(TrainingState& state, const std::string& path, const PartKeys& keys)
      : state_(state),
        path_(path),
        file_(open_foreign_file(path)),
        parts_(find_parts(file_->root(), keys, path)),
        places_(state.places()) {
    if (parts_.optimizer == nullptr)
      throw Fault(
          ExitCode::kNoValidCheckpoint, path + ": it has no optimizer state, so no run can go on from it",
          "Start a new run from its weights: model.weights=" + path + ". Or name the key: --optimizer-key");
  }

  AdoptedCheckpoint run() {
    AdoptedCheckpoint adopted;
    const StateDict model = flatten_state_dict(*parts_.model, path_);
    adopted.model_key = parts_.model_key;
    adopted.had_module_prefix = model.had_module_prefix;
    take_model(model);
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

  void take_model(const StateDict& model) {
    std::map<std::string, const NamedTensor*> given;
    std::map<std::string, std::string> first;  // name to the first name of its bytes
    for (const NamedTensor& tensor : model.tensors) {
      given[tensor.name] = &tensor;
      first[tensor.name] = tensor.alias_of.empty() ? tensor.name : tensor.alias_of;
    }
    std::set<std::string> taken;
    for (const MutableStateTensor& place : places_) {
      if (!place.key.in_model()) continue;
      const auto found = given.find(place.key.name);
      if (found == given.end())
        refuse(fmt::format("{}: the model has {}, the file does not", path_, place.key.name));
      fill(place, *found->second->tensor);
      taken.insert(first[place.key.name]);
      given.erase(found);
    }
    // A second name of a tied tensor has been taken with the first.
    for (const auto& [name, tensor] : given)
      if (!taken.contains(first[name]))
        refuse(fmt::format("{}: the file has {}, the model does not", path_, printable(name)));
  }

  // Slots by parameter name. Without names torch.optim has only numbers, in the order in which one list of
  // parameters was given to it: all of them, or those that are trained.
  std::map<std::string, OptimizerState::Slots> by_parameter(const OptimizerState& optimizer) {
    const ModelArena& arena = state_.arena();
    const std::size_t count = optimizer.parameters.size();
    const auto& entries = count == arena.parameters().size() ? arena.parameters() : arena.trainable();
    if (count != entries.size())
      refuse(fmt::format(
          "{}: the optimizer has {} parameters, the model {}{}", path_, count, arena.parameters().size(),
          arena.frozen().empty() ? "" : fmt::format(", {} of them trainable", entries.size())));
    if (optimizer.groups.size() > 1 && optimizer.names.empty())
      refuse(fmt::format(
          "{}: the optimizer has {} parameter groups and no param_names, so its numbers do not say "
          "which parameter they mean",
          path_, optimizer.groups.size()));
    std::map<std::string, OptimizerState::Slots> out;
    for (std::size_t i = 0; i < entries.size(); ++i)
      out[optimizer.names.empty() ? entries[i].name : optimizer.names[i]] = optimizer.parameters[i];
    return out;
  }

  void take_optimizer(AdoptedCheckpoint& adopted) {
    const OptimizerState optimizer = read_optimizer_state(*parts_.optimizer, path_);
    if (!optimizer.groups.empty())
      if (const PyValue* lr = optimizer.groups[0]->find("lr")) adopted.lr = as_number(*lr, *file_);
    auto slots = by_parameter(optimizer);
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
    const auto whole = [&](const char* key) -> std::optional<std::int64_t> {
      const PyValue* value = root.find(key);
      if (value == nullptr || !value->is_int()) return std::nullopt;
      return value->integer;
    };
    adopted.epoch = whole("epoch");
    adopted.step = whole("step");
    const PyValue* loss = root.find("loss");
    adopted.loss = loss == nullptr ? std::nan("") : as_number(*loss, *file_);
    const std::set<std::string> known = {"epoch", "step", "loss", parts_.model_key, parts_.optimizer_key};
    for (std::size_t i = 0; i < root.items.size(); i += 2)
      if (root.items[i]->is_text() && !known.contains(root.items[i]->text))
        adopted.unused.push_back(root.items[i]->text);
    set_steps(adopted.step);
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
  std::unique_ptr<ForeignFile> file_;
  CheckpointParts parts_;
  std::vector<MutableStateTensor> places_;
  // Of each parameter with state.
  std::map<std::string, double> updates_;
};

}  // namespace

AdoptedCheckpoint adopt_checkpoint(TrainingState& state, const std::string& path, const PartKeys& keys) {
  return Adoption(state, path, keys).run();
}

}  // namespace lockstep
