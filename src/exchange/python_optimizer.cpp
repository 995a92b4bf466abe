// SPDX-License-Identifier: Apache-2.0
#include "exchange/python_optimizer.h"

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "lockstep/base/error.h"

namespace lockstep {

namespace {

// The options of the run, out of the flat config of its record.
class Options {
 public:
  explicit Options(const TrainRecord& record) : record_(record) {}

  std::string text(const std::string& key) const {
    const auto found = record_.config.find(key);
    if (found == record_.config.end())
      throw Fault(ExitCode::kNoValidCheckpoint,
                  "the checkpoint's config has no " + key + ", which torch.optim's state needs",
                  "Export with --weights-only");
    return found->second;
  }
  double number(const std::string& key) const { return std::strtod(text(key).c_str(), nullptr); }
  std::vector<double> numbers(const std::string& key) const {
    const auto json = nlohmann::json::parse(text(key), nullptr, /*allow_exceptions=*/false);
    std::vector<double> out;
    for (const auto& item : json)
      if (item.is_number()) out.push_back(item.get<double>());
    return out;
  }

 private:
  const TrainRecord& record_;
};

class OptimizerBuilder {
 public:
  OptimizerBuilder(const Manifest& manifest, ValuePool& pool, const TensorValue& tensor,
                   const std::set<std::string>& never_updated)
      : manifest_(manifest),
        pool_(pool),
        tensor_(tensor),
        never_updated_(never_updated),
        options_(manifest.record) {
    for (const ManifestTensor& stored : manifest.tensors)
      if (stored.key.slot == "step")
        steps_[stored.key.name] = &stored;
      else if (stored.key.in_optimizer())
        slots_[stored.key.name][stored.key.slot] = &stored;
  }

  PyValue* build() {
    const std::vector<std::string>& order = manifest_.record.parameter_order;
    if (order.empty())
      throw Fault(
          ExitCode::kNoValidCheckpoint,
          "the checkpoint does not say in which order its parameters come, as torch.optim numbers them",
          "Export with --weights-only, or save it anew with this version");
    PyValue* state = pool_.make(ValueKind::kDict);
    PyValue* parameters = pool_.make(ValueKind::kList);
    for (std::size_t i = 0; i < order.size(); ++i) {
      PyValue* number = pool_.integer(static_cast<std::int64_t>(i));
      parameters->items.push_back(number);
      if (never_updated_.contains(order[i])) continue;
      if (PyValue* slots = slots_of(order[i])) put(*state, number, slots);
    }
    PyValue* groups = pool_.make(ValueKind::kList);
    groups->items.push_back(group(parameters));
    PyValue* all = pool_.make(ValueKind::kDict);
    put(*all, pool_.text("state"), state);
    put(*all, pool_.text("param_groups"), groups);
    return all;
  }

 private:
  // Null where torch.optim keeps nothing: of a frozen parameter, and for SGD without momentum.
  PyValue* slots_of(const std::string& parameter) {
    const auto found = slots_.find(parameter);
    if (found == slots_.end()) return nullptr;
    PyValue* slots = pool_.make(ValueKind::kDict);
    // SGD has no step. Each of the others needs one of its own, since torch.optim counts them up in place.
    if (options_.text("optim.type") != "sgd") put(*slots, pool_.text("step"), tensor_(step_of(parameter)));
    for (const auto& [slot, tensor] : found->second) put(*slots, pool_.text(slot), tensor_(*tensor));
    return slots;
  }

  // While all have had as many updates there is one count, of a name that is no parameter's.
  const ManifestTensor& step_of(const std::string& parameter) const {
    const auto own = steps_.find(parameter);
    if (own != steps_.end()) return *own->second;
    if (steps_.size() == 1) return *steps_.begin()->second;
    throw Fault(ExitCode::kNoValidCheckpoint, "the checkpoint has no optimizer step of " + parameter,
                "Export with --weights-only");
  }

  void set(PyValue& dict, const char* key, PyValue* value) { put(dict, pool_.text(key), value); }
  void none(PyValue& dict, const char* key) { set(dict, key, pool_.make(ValueKind::kNone)); }
  void off(PyValue& dict, const char* key) { set(dict, key, pool_.boolean(false)); }

  // Every key that torch 2.11 has, in its order; those Lockstep has no option for at their defaults.
  PyValue* group(PyValue* parameters) {
    const std::string type = options_.text("optim.type");
    PyValue* out = pool_.make(ValueKind::kDict);
    set(*out, "lr", pool_.real(manifest_.record.lr));
    if (type == "sgd") {
      set(*out, "momentum", pool_.real(options_.number("optim.momentum")));
      set(*out, "dampening", pool_.integer(0));
      set(*out, "weight_decay", pool_.real(options_.number("optim.weight_decay")));
      set(*out, "nesterov", pool_.boolean(options_.text("optim.nesterov") == "true"));
      off(*out, "maximize");
      none(*out, "foreach");
    } else if (type == "adam" || type == "adamw") {
      PyValue* betas = pool_.make(ValueKind::kTuple);
      for (const double beta : options_.numbers("optim.betas")) betas->items.push_back(pool_.real(beta));
      set(*out, "betas", betas);
      set(*out, "eps", pool_.real(options_.number("optim.eps")));
      set(*out, "weight_decay", pool_.real(options_.number("optim.weight_decay")));
      off(*out, "amsgrad");
      off(*out, "maximize");
      none(*out, "foreach");
      off(*out, "capturable");
    } else {
      throw Fault(ExitCode::kNoValidCheckpoint,
                  "optimizer " + type + " is none of torch.optim's that are known here",
                  "Export with --weights-only");
    }
    off(*out, "differentiable");
    none(*out, "fused");
    if (type != "sgd") set(*out, "decoupled_weight_decay", pool_.boolean(type == "adamw"));
    // What a scheduler of torch.optim asks for when it goes on.
    if (options_.text("schedule.type") != "constant")
      set(*out, "initial_lr", pool_.real(options_.number("optim.lr")));
    set(*out, "params", parameters);
    return out;
  }

  const Manifest& manifest_;
  ValuePool& pool_;
  const TensorValue& tensor_;
  const std::set<std::string>& never_updated_;
  Options options_;
  std::map<std::string, const ManifestTensor*> steps_;
  std::map<std::string, std::map<std::string, const ManifestTensor*>> slots_;
};

}  // namespace

PyValue* python_optimizer(const Manifest& manifest, ValuePool& pool, const TensorValue& tensor,
                          const std::set<std::string>& never_updated) {
  return OptimizerBuilder(manifest, pool, tensor, never_updated).build();
}

}  // namespace lockstep
