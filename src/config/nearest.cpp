// SPDX-License-Identifier: Apache-2.0
#include "config/nearest.h"

#include <algorithm>

namespace lockstep {
namespace {

// Quadratic work for a key from a stranger: no real key is as long.
constexpr std::size_t kLongestKey = 128;

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before, last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before[j - 2] + 1);
    }
    before = last;
    last = now;
  }
  return last[b.size()];
}

std::string last_word(const std::string& key) {
  return key.substr(key.rfind('.') + 1);
}

}  // namespace

std::string nearest_key(const std::string& key, const std::vector<std::string>& keys) {
  if (key.size() > kLongestKey) return "";
  std::string best;
  std::size_t fewest = kLongestKey;
  for (const std::string& candidate : keys) {
    const std::size_t wrong = distance(key, candidate);
    if (wrong < fewest && wrong <= std::max<std::size_t>(1, key.size() / 3)) {
      fewest = wrong;
      best = candidate;
    }
  }
  // Two letters are a slip of the finger. Beyond that, the right word in the wrong section is the better
  // guess.
  if (fewest <= 2) return best;
  for (const std::string& candidate : keys)
    if (last_word(candidate) == last_word(key)) return candidate;
  if (!best.empty()) return best;
  for (const std::string& candidate : keys)
    if (last_word(key).size() > 2 && distance(last_word(candidate), last_word(key)) <= 1) return candidate;
  return "";
}

}  // namespace lockstep
