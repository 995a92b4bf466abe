// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "train/options.h"

namespace lockstep {

// How far a loss is above those before it: z = (loss - median) / max(1.4826 MAD, 1 % of |median|). One spike
// moves neither of them, and a run whose loss hardly moves does not call its last digits a spike. Local, and
// the same on all ranks that saw the same losses.
class SpikeScale {
 public:
  explicit SpikeScale(const SpikeOptions& options)
      : options_(options), room_(options.action == "off" ? 0 : static_cast<std::size_t>(options.window)) {}

  // Empty before the window is full, and where nobody looks.
  std::optional<double> z(double loss) const;
  bool is_spike(double loss) const;
  // Of an update that was made; the oldest goes.
  void add(double loss);

  // To and from a checkpoint, oldest first.
  const std::vector<double>& losses() const { return losses_; }
  void restore(std::vector<double> losses);

 private:
  SpikeOptions options_;
  std::size_t room_;
  std::vector<double> losses_;
};

}  // namespace lockstep
