// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "exchange/formats/value.h"

namespace lockstep {

// JSON as the Python value json.loads() makes of it; whole numbers beyond int64 become floats.
PyValue* value_of(const nlohmann::ordered_json& json, ValuePool& pool);

// A value as JSON, for people and tools that look at a file: what JSON has no form for (bytes, tensors, NaN)
// becomes null or a text that names it.
nlohmann::ordered_json json_of(const PyValue& value);

}  // namespace lockstep
