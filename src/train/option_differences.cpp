// SPDX-License-Identifier: Apache-2.0
#include "train/option_differences.h"

#include <fmt/format.h>

#include <cmath>

#include "lockstep/base/error.h"

namespace lockstep {

namespace {

class Differences {
 public:
  Differences(const OptimizerState& optimizer, const ForeignFile& file)
      : optimizer_(optimizer), file_(file) {}

  void number(const char* key, const std::string& name, double config) {
    each(key, [&](const PyValue& value, const std::string& where) {
      tell(name + where, as_number(value, file_), config);
    });
  }

  void betas(const std::array<double, 2>& config) {
    each("betas", [&](const PyValue& value, const std::string& where) {
      if (!value.is_sequence() || value.items.size() != 2) return;
      const double first = as_number(*value.items[0], file_);
      const double second = as_number(*value.items[1], file_);
      if (first != config[0] || second != config[1])
        out_.push_back(fmt::format("betas{}: [{}, {}] in the file, [{}, {}] in the config, which counts",
                                   where, first, second, config[0], config[1]));
    });
  }

  void flag(const char* key, bool config) {
    each(key, [&](const PyValue& value, const std::string& where) {
      const bool given = is_true(value);
      if (given != config)
        out_.push_back(
            fmt::format("{}{}: {} in the file, {} in the config, which counts", key, where, given, config));
    });
  }

  void refuse(const char* key) {
    each(key, [&](const PyValue& value, const std::string& where) {
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
      use(*value, optimizer_.groups.size() == 1 ? "" : fmt::format(" of group {}", i));
    }
  }

  void tell(const std::string& what, double given, double config) {
    if (given != config)
      out_.push_back(fmt::format("{}: {} in the file, {} in the config, which counts", what, given, config));
  }

  const OptimizerState& optimizer_;
  const ForeignFile& file_;
  std::vector<std::string> out_;
};

}  // namespace

std::vector<std::string> option_differences(const OptimizerState& optimizer, const OptimOptions& config,
                                            const ForeignFile& file) {
  Differences differences(optimizer, file);
  for (const char* key : {"amsgrad", "maximize", "dampening"}) differences.refuse(key);
  differences.number("lr", "learning rate", config.lr);
  differences.number("weight_decay", "weight decay", config.weight_decay);
  if (config.type == "sgd") {
    differences.number("momentum", "momentum", config.momentum);
    differences.flag("nesterov", config.nesterov);
  } else {
    differences.betas(config.betas);
    differences.number("eps", "eps", config.eps);
    differences.flag("decoupled_weight_decay", config.type == "adamw");
  }
  return differences.take();
}

}  // namespace lockstep
