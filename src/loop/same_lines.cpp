// SPDX-License-Identifier: Apache-2.0
#include "loop/same_lines.h"

#include <algorithm>

#include "comm/agree.h"
#include "comm/agree_alike.h"
#include "lockstep/base/hash.h"

namespace lockstep {
namespace {

std::string line_at(const std::string& text, std::size_t at) {
  const std::size_t begin = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
  return begin >= text.size() ? kNoLine : text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace

void require_same_lines(
    World& world, const std::string& mine,
    const std::function<Fault(const std::string& here, const std::string& on_root)>& fault_of) {
  if (agree_alike(world, 0, digest_of(mine).low).value.alike) return;
  const std::string root = agree_on_root(world, mine).value;
  together(world, [&] {
    if (root == mine) return;
    const auto at = static_cast<std::size_t>(std::ranges::mismatch(mine, root).in1 - mine.begin());
    throw fault_of(line_at(mine, at), line_at(root, at));
  });
}

void require_same_values(World& world, const std::string& mine,
                         const std::function<Fault(const std::string& name)>& fault_of) {
  require_same_lines(world, mine, [&](const std::string& here, const std::string& root) {
    const std::string& which = here == kNoLine ? root : here;
    return fault_of(which.substr(0, which.rfind(' ')));
  });
}

}  // namespace lockstep
