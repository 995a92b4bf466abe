// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "data/host_batch.h"

namespace lockstep::testing {

// The numbers of a field of a batch.
template <class Value>
std::vector<Value> numbers_of(const HostBatch& batch, const std::string& name) {
  for (const HostField& field : batch.fields())
    if (field.field.name == name) {
      std::vector<Value> values(field.bytes.span().size() / sizeof(Value));
      if (!values.empty())
        std::memcpy(values.data(), field.bytes.span().data(), values.size() * sizeof(Value));
      return values;
    }
  return {};
}

// One sample by the names of its fields.
struct FieldBytes {
  HostBatch batch;
  template <class Value>
  std::vector<Value> as(const std::string& name) const {
    return numbers_of<Value>(batch, name);
  }
};

inline FieldBytes read_fields(const Dataset& dataset, const SampleContext& context) {
  FieldBytes sample;
  sample.batch.shape(layout_of(dataset), 1);
  sample.batch.fill(0, dataset, context);
  sample.batch.finish();
  return sample;
}
inline FieldBytes read_fields(const Dataset& dataset, std::int64_t index) {
  return read_fields(dataset, SampleContext{.index = index});
}

}  // namespace lockstep::testing
