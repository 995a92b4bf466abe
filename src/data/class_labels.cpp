// SPDX-License-Identifier: Apache-2.0
#include "data/class_labels.h"

#include <fmt/format.h>

#include "data/refuse.h"

namespace lockstep {

void ClassLabels::check(std::int64_t label, const std::string& path, std::int64_t sample) const {
  if (!are_known() || (label >= 0 && label < options_.label_classes) || label == options_.ignore_label)
    return;
  refuse_option(
      fmt::format("{}: label {} of sample {} is outside 0..{}, the classes of the model", path, label, sample,
                  options_.label_classes - 1),
      "Set the model's outputs or classes to the number of classes of the data; a label that means 'not "
      "counted' is named by data.ignore_label.");
}

}  // namespace lockstep
