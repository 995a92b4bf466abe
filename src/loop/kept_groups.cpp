// SPDX-License-Identifier: Apache-2.0
#include "loop/kept_groups.h"

namespace lockstep {
namespace {

namespace optim = torch::optim;

using Options = std::map<std::string, std::vector<double>>;

double as_flag(bool value) {
  return value ? 1 : 0;
}

Options options_in(const OptimOptions& group, double lr) {
  Options options = {{"lr", {lr}}, {"initial_lr", {group.lr}}, {"weight_decay", {group.weight_decay}}};
  if (group.type == "sgd") {
    options["momentum"] = {group.momentum};
    options["nesterov"] = {as_flag(group.nesterov)};
  } else {
    options["betas"] = {group.betas[0], group.betas[1]};
    options["eps"] = {group.eps};
  }
  return options;
}

template <class Adam>
Options options_of_adam(const Adam& group) {
  return {{"lr", {group.lr()}},
          {"betas", {std::get<0>(group.betas()), std::get<1>(group.betas())}},
          {"eps", {group.eps()}},
          {"weight_decay", {group.weight_decay()}},
          {"amsgrad", {as_flag(group.amsgrad())}}};
}

}  // namespace

std::vector<ParamGroup> groups_to_keep(const OptimOptions& optim,
                                       const std::map<int, std::vector<std::string>>& names, double lr) {
  std::vector<ParamGroup> groups;
  // kNoGroup comes first in the map.
  for (const auto& [group, members] : names) {
    const OptimOptions own = options_of_group(optim, group);
    groups.push_back({options_in(own, lr_of_group(own.lr, optim.lr, lr)), members});
  }
  return groups;
}

std::map<std::string, std::vector<double>> options_of(const optim::OptimizerOptions& options) {
  if (const auto* adamw = dynamic_cast<const optim::AdamWOptions*>(&options)) return options_of_adam(*adamw);
  if (const auto* adam = dynamic_cast<const optim::AdamOptions*>(&options)) return options_of_adam(*adam);
  if (const auto* sgd = dynamic_cast<const optim::SGDOptions*>(&options))
    return {{"lr", {sgd->lr()}},
            {"momentum", {sgd->momentum()}},
            {"dampening", {sgd->dampening()}},
            {"weight_decay", {sgd->weight_decay()}},
            {"nesterov", {as_flag(sgd->nesterov())}}};
  if (const auto* rms = dynamic_cast<const optim::RMSpropOptions*>(&options))
    return {{"lr", {rms->lr()}},
            {"alpha", {rms->alpha()}},
            {"eps", {rms->eps()}},
            {"weight_decay", {rms->weight_decay()}},
            {"momentum", {rms->momentum()}},
            {"centered", {as_flag(rms->centered())}}};
  if (const auto* adagrad = dynamic_cast<const optim::AdagradOptions*>(&options))
    return {{"lr", {adagrad->lr()}},
            {"lr_decay", {adagrad->lr_decay()}},
            {"weight_decay", {adagrad->weight_decay()}},
            {"eps", {adagrad->eps()}}};
  return {{"lr", {options.get_lr()}}};
}

bool can_be_exported(const optim::Optimizer& optimizer) {
  return dynamic_cast<const optim::SGD*>(&optimizer) != nullptr ||
         dynamic_cast<const optim::Adam*>(&optimizer) != nullptr ||
         dynamic_cast<const optim::AdamW*>(&optimizer) != nullptr;
}

}  // namespace lockstep
