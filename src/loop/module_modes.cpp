// SPDX-License-Identifier: Apache-2.0
#include "loop/module_modes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <exception>
#include <map>
#include <set>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

using torch::nn::Module;

// Past an override of train(): that one has had its call, and may have a mind of its own. Sets the modules
// below it too, so parents come first.
void set_mode(Module& module, bool training) {
  if (module.is_training() != training) module.Module::train(training);
}

using Named = std::vector<std::pair<std::string, Module*>>;

// Parents before children; a shared module under each of its names.
Named named_modules(Module& model) {
  Named all;
  model.apply([&](const std::string& name, Module& module) { all.emplace_back(name, &module); });
  return all;
}

}  // namespace

EvalMode::EvalMode(Module& model) : model_(model), model_trained_(model.is_training()) {
  for (const auto& module : model.modules(/*include_self=*/false))
    found_.emplace_back(module, module->is_training());
  model_.eval();
}

EvalMode::~EvalMode() {
  try {
    // Through the model's own train() first, which may do more than setting modes.
    model_.train(model_trained_);
    set_mode(model_, model_trained_);
    for (const auto& [module, trained] : found_) set_mode(*module, trained);
  } catch (const std::exception& error) {
    log_error("a module's train() threw, and modes are not as they were: {}", printable(error.what()));
  }
}

void settle_modes(Module& model) {
  // Whoever puts the whole model to eval has decided for all of it.
  if (!model.is_training()) return;
  const Named all = named_modules(model);
  std::set<const Module*> in_eval;
  for (const auto& [name, module] : all)
    if (!module->is_training()) in_eval.insert(module);
  model.train();
  for (const auto& [name, module] : all)
    if (!module->is_training()) in_eval.insert(module);
  for (const auto& [name, module] : all) set_mode(*module, !in_eval.contains(module));
}

std::vector<std::string> modules_in_eval(Module& model) {
  std::vector<std::string> names;
  for (const auto& [name, module] : named_modules(model))
    if (!module->is_training()) names.push_back(name);
  return names;
}

void restore_modes(Module& model, const std::vector<std::string>& in_eval) {
  const Named all = named_modules(model);
  std::set<std::string> unknown(in_eval.begin(), in_eval.end());
  const std::set<std::string> wanted = unknown;
  std::set<const Module*> eval;
  for (const auto& [name, module] : all) {
    unknown.erase(name);
    if (wanted.contains(name)) eval.insert(module);
  }
  if (!unknown.empty()) {
    std::vector<std::string> names;
    for (const std::string& name : unknown) names.push_back(printable(name));
    throw Fault(ExitCode::kConfig,
                fmt::format("the checkpoint has modules in eval mode that the model has not: {}",
                            fmt::join(names, ", ")),
                "Use the model of the run that wrote it; its modules are registered in its constructor");
  }
  for (const auto& [name, module] : all) set_mode(*module, !eval.contains(module));
}

}  // namespace lockstep
