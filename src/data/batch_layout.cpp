// SPDX-License-Identifier: Apache-2.0
#include "data/batch_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "lockstep/base/error.h"
#include "lockstep/data/dataset.h"

namespace lockstep {
namespace {

[[noreturn]] void refuse_fields(const std::string& fact) {
  throw Fault(ExitCode::kBug, "the dataset's fields(): " + fact, "Look at its fields() and target_field()");
}

}  // namespace

std::string length_name(const std::string& field) {
  return field + "_length";
}

BatchLayout layout_of(const Dataset& dataset) {
  BatchLayout layout{dataset.fields(), dataset.target_field()};
  std::set<std::string> names;
  const auto add = [&](const std::string& name) {
    if (name.empty()) refuse_fields("one has no name");
    if (!names.insert(name).second) refuse_fields(fmt::format("there are two named {}", name));
  };
  for (const Field& field : layout.fields) {
    add(field.name);
    if (field.varies()) add(length_name(field.name));
    if (std::any_of(field.shape.begin() + (field.varies() ? 1 : 0), field.shape.end(),
                    [](std::int64_t dimension) { return dimension < 0; }))
      refuse_fields(fmt::format("{} is {}; only the first dimension may be -1, and vary", field.name,
                                shape_text(field.shape)));
  }
  if (std::ranges::none_of(layout.fields, [&](const Field& field) { return field.name == layout.target; }))
    refuse_fields(fmt::format("there is no {}, its target_field()", layout.target));
  return layout;
}

Field target_of(const Dataset& dataset) {
  const BatchLayout layout = layout_of(dataset);
  return *std::ranges::find(layout.fields, layout.target, &Field::name);
}

}  // namespace lockstep
