// SPDX-License-Identifier: Apache-2.0
#include "train/option_differences.h"

#include <fmt/format.h>

#include <cmath>

#include "lockstep/base/error.h"

namespace lockstep {

namespace {

class Differences {
 public:
  Differences(const OptimizerState& optimizer, const std::vector<OptimOptions>& config,
              const ForeignFile& file)
      : optimizer_(optimizer), config_(config), file_(file) {}

  void number(const char* key, const std::string& name, double (*wanted)(const OptimOptions&)) {
    each(key, [&](const PyValue& value, const std::string& where, const OptimOptions& own) {
      tell(name + where, as_number(value, file_), wanted(own));
    });
  }

  void betas() {
    each("betas", [&](const PyValue& value, const std::string& where, const OptimOptions& own) {
      const std::array<double, 2>& config = own.betas;
      if (!value.is_sequence() || value.items.size() != 2) return;
      const double first = as_number(*value.items[0], file_);
      const double second = as_number(*value.items[1], file_);
      if (first != config[0] || second != config[1])
        out_.push_back(fmt::format("betas{}: [{}, {}] in the file, [{}, {}] in the config, which counts",
                                   where, first, second, config[0], config[1]));
    });
  }

  void flag(const char* key, bool (*wanted)(const OptimOptions&)) {
    each(key, [&](const PyValue& value, const std::string& where, const OptimOptions& own) {
      const bool config = wanted(own);
      const bool given = is_true(value);
      if (given != config)
        out_.push_back(
            fmt::format("{}{}: {} in the file, {} in the config, which counts", key, where, given, config));
    });
  }

  void refuse(const char* key) {
    each(key, [&](const PyValue& value, const std::string& where, const OptimOptions&) {
      if (is_true(value))
        throw Fault(
            ExitCode::kConfig,
            fmt::format("the file's optimizer ran with {}{}, which Lockstep does not have", key, where),
            "Start a new run from the weights: model.weights");
    });
  }

  std::vector<std::string> take() { return std::move(out_); }

 private:
  bool is_true(const PyValue& value) const {
    if (value.kind == ValueKind::kBool) return value.integer != 0;
    const double number = as_number(value, file_);
    return !std::isnan(number) && number != 0;
  }

  template <class Use>
  void each(const char* key, Use use) {
    for (std::size_t i = 0; i < optimizer_.groups.size(); ++i) {
      const PyValue* value = optimizer_.groups[i]->find(key);
      if (value == nullptr || value->kind == ValueKind::kNone) continue;
      use(*value, optimizer_.groups.size() == 1 ? "" : fmt::format(" of group {}", i), config_.at(i));
    }
  }

  void tell(const std::string& what, double given, double config) {
    if (given != config)
      out_.push_back(fmt::format("{}: {} in the file, {} in the config, which counts", what, given, config));
  }

  const OptimizerState& optimizer_;
  const std::vector<OptimOptions>& config_;  // of each of the file's groups
  const ForeignFile& file_;
  std::vector<std::string> out_;
};

// `key`: an option that the optimizer has had in every version of torch, and `others`, which keep the same
// state, have not.
void require_option(const OptimizerState& optimizer, const char* key, const char* name, const char* others) {
  for (const PyValue* group : optimizer.groups)
    if (group->find(key) == nullptr)
      throw Fault(
          ExitCode::kConfig,
          fmt::format("the file's optimizer keeps the state of {}, but is none: its groups have no {} "
                      "(as those of {} have none)",
                      name, key, others),
          "Start a new run from the weights: model.weights");
}

}  // namespace

void require_kind(const OptimizerState& optimizer, const std::string& type) {
  if (type == "sgd") require_option(optimizer, "dampening", "SGD", "Muon");
  if (type == "adam" || type == "adamw") require_option(optimizer, "amsgrad", "Adam", "RAdam and SparseAdam");
}

std::vector<std::string> option_differences(const OptimizerState& optimizer,
                                            const std::vector<OptimOptions>& config,
                                            const ForeignFile& file) {
  Differences differences(optimizer, config, file);
  for (const char* key : {"amsgrad", "maximize", "dampening"}) differences.refuse(key);
  differences.number("lr", "learning rate", [](const OptimOptions& o) { return o.lr; });
  differences.number("weight_decay", "weight decay", [](const OptimOptions& o) { return o.weight_decay; });
  if (config.empty() || config[0].type == "sgd") {
    differences.number("momentum", "momentum", [](const OptimOptions& o) { return o.momentum; });
    differences.flag("nesterov", [](const OptimOptions& o) { return o.nesterov; });
  } else {
    differences.betas();
    differences.number("eps", "eps", [](const OptimOptions& o) { return o.eps; });
    differences.flag("decoupled_weight_decay", [](const OptimOptions& o) { return o.type == "adamw"; });
  }
  return differences.take();
}

}  // namespace lockstep
