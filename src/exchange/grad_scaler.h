// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "exchange/formats/foreign_file.h"
#include "exchange/formats/value.h"

namespace lockstep {

// The member of a record's `extra` with the loss scale of a run in fp16: {scale, good_steps, overflows}.
inline constexpr const char* kLossScaler = "loss_scaler";

// What torch.amp.GradScaler's state_dict() says; as it is made, and as Lockstep's own loss scaler is.
struct GradScaler {
  double scale = 65536;
  double growth_factor = 2;
  double backoff_factor = 0.5;
  std::int64_t growth_interval = 2000;
  std::int64_t growth_tracker = 0;  // finite steps since the scale changed
};

// Local. A state_dict as GradScaler.load_state_dict() takes it.
PyValue* python_scaler(const GradScaler& scaler, ValuePool& pool);

// Local. Of the `extra` of a record; empty where there is none.
std::optional<GradScaler> scaler_of(const std::string& extra);

// Is this a state_dict of a GradScaler? Those that are switched off save {}.
bool is_python_scaler(const PyValue& value);

// Local. What such a dict says. Throws Fault (65) for a scale or a count that cannot be.
GradScaler read_python_scaler(const PyValue& value, const ForeignFile& file, const std::string& origin);

}  // namespace lockstep
