// SPDX-License-Identifier: Apache-2.0
#include "base/some_of.h"

#include <fmt/format.h>

#include <algorithm>

#include "lockstep/base/log.h"

namespace lockstep {

std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i)
    text += (i == 0 ? "" : ", ") + printable(names[i]);
  return names.size() > kShown ? text + fmt::format(", … ({} in all)", names.size()) : text;
}

}  // namespace lockstep
