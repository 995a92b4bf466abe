// SPDX-License-Identifier: Apache-2.0
#include "exchange/python_optimizer.h"

#include <map>
#include <nlohmann/json.hpp>

#include "exchange/param_groups.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

// The options of one group: what the record keeps of it, else those of the run, out of the record's flat
// config.
class Options {
 public:
  Options(const TrainRecord& record, const ParamGroup* own) : record_(record), own_(own) {}

  std::string text(const std::string& key) const {
    const auto found = record_.config.find(key);
    if (found == record_.config.end())
      throw Fault(ExitCode::kNoValidCheckpoint,
                  "the checkpoint's config has no " + key + ", which torch.optim's state needs",
                  "Export with --weights-only");
    return found->second;
  }
  // By torch.optim's name.
  std::vector<double> numbers(const std::string& name) const {
    if (own_ != nullptr) {
      const auto kept = own_->options.find(name);
      return kept == own_->options.end() ? std::vector<double>{} : kept->second;
    }
    if (name == "lr") return {record_.lr};
    const std::string key = name == "initial_lr" ? "optim.lr" : "optim." + name;
    const auto json = nlohmann::json::parse(text(key), nullptr, /*allow_exceptions=*/false);
    if (json.is_boolean()) return {json.get<bool>() ? 1.0 : 0.0};
    std::vector<double> out;
    for (const auto& item : json)
      if (item.is_number()) out.push_back(item.get<double>());
    return out;
  }
  double number(const std::string& name) const {
    const std::vector<double> list = numbers(name);
    if (list.size() != 1)
      throw Fault(ExitCode::kNoValidCheckpoint,
                  "the checkpoint does not say " + name + ", which torch.optim's state needs",
                  "Export with --weights-only");
    return list.front();
  }
  // One that Lockstep's own optimizers do not have, and a user's may.
  bool flag(const std::string& name) const {
    return own_ != nullptr && own_->options.contains(name) && number(name) != 0;
  }
  // Has the run a schedule, and so a learning rate that it began with? A loop of one's own does not say.
  bool scheduled() const {
    if (own_ != nullptr && !record_.config.contains("schedule.type")) return false;
    return text("schedule.type") != "constant";
  }

 private:
  const TrainRecord& record_;
  const ParamGroup* own_;
};

class OptimizerBuilder {
 public:
  OptimizerBuilder(const Manifest& manifest, ValuePool& pool, const TensorValue& tensor,
                   const std::set<std::string>& never_updated)
      : manifest_(manifest),
        pool_(pool),
        tensor_(tensor),
        never_updated_(never_updated),
        type_(Options(manifest.record, nullptr).text("optim.type")) {
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
    const std::vector<ParamGroup> kept = param_groups_of(manifest_.record);
    PyValue* state = pool_.make(ValueKind::kDict);
    PyValue* groups = pool_.make(ValueKind::kList);
    for (const ParamGroup& own : kept)
      groups->items.push_back(group(Options(manifest_.record, &own), numbered(own.parameters, *state)));
    if (kept.empty())
      groups->items.push_back(group(Options(manifest_.record, nullptr), numbered(order, *state)));
    PyValue* all = pool_.make(ValueKind::kDict);
    put(*all, pool_.text("state"), state);
    put(*all, pool_.text("param_groups"), groups);
    return all;
  }

 private:
  // Parameters have numbers in the order of the groups.
  PyValue* numbered(const std::vector<std::string>& parameters, PyValue& state) {
    PyValue* list = pool_.make(ValueKind::kList);
    for (const std::string& name : parameters) {
      PyValue* number = pool_.integer(next_++);
      list->items.push_back(number);
      if (never_updated_.contains(name)) continue;
      if (PyValue* slots = slots_of(name)) put(state, number, slots);
    }
    return list;
  }

  // Null where torch.optim keeps nothing: of a frozen parameter, and for SGD without momentum.
  PyValue* slots_of(const std::string& parameter) {
    const auto found = slots_.find(parameter);
    if (found == slots_.end()) return nullptr;
    PyValue* slots = pool_.make(ValueKind::kDict);
    // SGD has no step. Each of the others needs one of its own, since torch.optim counts them up in place.
    if (type_ != "sgd") put(*slots, pool_.text("step"), tensor_(step_of(parameter)));
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
  PyValue* group(const Options& options, PyValue* parameters) {
    PyValue* out = pool_.make(ValueKind::kDict);
    set(*out, "lr", pool_.real(options.number("lr")));
    if (type_ == "sgd") {
      set(*out, "momentum", pool_.real(options.number("momentum")));
      set(*out, "dampening",
          options.flag("dampening") ? pool_.real(options.number("dampening")) : pool_.integer(0));
      set(*out, "weight_decay", pool_.real(options.number("weight_decay")));
      set(*out, "nesterov", pool_.boolean(options.number("nesterov") != 0));
      off(*out, "maximize");
      none(*out, "foreach");
    } else if (type_ == "adam" || type_ == "adamw") {
      PyValue* betas = pool_.make(ValueKind::kTuple);
      for (const double beta : options.numbers("betas")) betas->items.push_back(pool_.real(beta));
      set(*out, "betas", betas);
      set(*out, "eps", pool_.real(options.number("eps")));
      set(*out, "weight_decay", pool_.real(options.number("weight_decay")));
      set(*out, "amsgrad", pool_.boolean(options.flag("amsgrad")));
      off(*out, "maximize");
      none(*out, "foreach");
      off(*out, "capturable");
    } else {
      throw Fault(ExitCode::kNoValidCheckpoint,
                  "optimizer " + type_ + " is none of torch.optim's that are known here",
                  "Export with --weights-only");
    }
    off(*out, "differentiable");
    none(*out, "fused");
    if (type_ != "sgd") set(*out, "decoupled_weight_decay", pool_.boolean(type_ == "adamw"));
    // What a scheduler of torch.optim asks for when it goes on.
    if (options.scheduled()) set(*out, "initial_lr", pool_.real(options.number("initial_lr")));
    set(*out, "params", parameters);
    return out;
  }

  const Manifest& manifest_;
  ValuePool& pool_;
  const TensorValue& tensor_;
  const std::set<std::string>& never_updated_;
  std::string type_;
  std::int64_t next_ = 0;
  std::map<std::string, const ManifestTensor*> steps_;
  std::map<std::string, std::map<std::string, const ManifestTensor*>> slots_;
};

}  // namespace

PyValue* python_optimizer(const Manifest& manifest, ValuePool& pool, const TensorValue& tensor,
                          const std::set<std::string>& never_updated) {
  return OptimizerBuilder(manifest, pool, tensor, never_updated).build();
}

}  // namespace lockstep
