// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/settings.h"

namespace lockstep {

// What was given, for whoever asks where.
struct Given {
  const Schema& schema;
  const Settings& settings;
  const Origin& file;

  bool has(const std::string& key) const { return settings.count(key) != 0; }
  // Given, and not just the default written out (as effective_yaml() does).
  bool differs_from_default(const std::string& key, const RunConfig& config) const;
};

// Local. Fills in what follows from other keys: per-type defaults, run.dir, the shape of synthetic data, and
// what the data needs to know of the model and the run (context, vocab, seed).
void derive(const Given& given, RunConfig& config);

}  // namespace lockstep
