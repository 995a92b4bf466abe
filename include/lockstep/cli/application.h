// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lockstep/base/named_parts.h"
#include "lockstep/data/registry.h"
#include "lockstep/models/registry.h"
#include "lockstep/optim/optimizer.h"
#include "lockstep/optim/schedule.h"
#include "lockstep/train/hooks.h"

namespace lockstep {

// What a program can train, and with what: the built-in parts, and its own, which a config chooses by name
// (model.type, data.type, optim.type, schedule.type); and what it wants to be told meanwhile.
struct Registries {
  ModelRegistry models = ModelRegistry::with_builtin();
  DatasetRegistry datasets = DatasetRegistry::with_builtin();
  NamedParts<Optimizer> optimizers = {};  // beside sgd, adam and adamw
  NamedParts<Schedule> schedules = {};    // beside constant, linear, cosine and step
  Hooks hooks = {};
};

// The whole command line of lockstep, for a main() of one line; returns the exit code. A program with a model
// of its own adds it to `registries` first and has every command for it: train, eval, predict, status,
// config, ckpt. Collective where the command is (train, eval). Never throws: it has the one catch, prints one
// message for an error, and ends all ranks with the same code (docs/exit-codes.md).
int run_application(int argc, char** argv, const Registries& registries = {});

}  // namespace lockstep
