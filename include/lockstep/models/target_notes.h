// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace lockstep {

// What the caller of a loss knows of its targets beside their values. Without notes every target counts, and
// a message names a sample by its number in the batch.
struct TargetNotes {
  std::optional<std::int64_t> ignore;  // data.ignore_label
  // The same values twice: as they are given to loss(), and on the host, so that looking at them does not
  // make a device wait.
  torch::Tensor given;
  torch::Tensor host;
  // Where sample `row` of the batch lies: "train.h5, row 17".
  std::function<std::string(std::int64_t)> place;
};

}  // namespace lockstep
