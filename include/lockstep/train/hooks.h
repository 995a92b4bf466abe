// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace lockstep {

// Where a run is when it calls.
struct Moment {
  std::int64_t step = 0;                       // updates made
  std::int64_t epoch = 0;                      // from 0
  double loss = 0;                             // of the last update
  double lr = 0;                               // likewise
  std::map<std::string, double> metrics = {};  // "valid_loss", …, where it was evaluated
  std::string checkpoint = {};                 // its folder, where one was saved; its name has its step
  int rank = 0;
};

// What a program wants to be told of its training: each is called between two steps, on every rank, with the
// same values but for the rank. It changes nothing that the training depends on, for what it does is in no
// checkpoint. What it throws on a rank ends the run on all with 70. Empty ones are not called.
struct Hooks {
  std::function<void(const Moment&)> epoch_begins = {};  // before its first update
  std::function<void(const Moment&)> evaluated = {};
  std::function<void(const Moment&)> saved = {};  // a checkpoint was committed
};

}  // namespace lockstep
