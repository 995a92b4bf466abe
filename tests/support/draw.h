// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace lockstep::testing {

// What a test draws, from one seed that it prints and that LOCKSTEP_TEST_SEED sets to replay the run.
class Draw {
 public:
  Draw();

  std::uint64_t seed() const { return seed_; }
  // 0 … limit - 1.
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  template <class Item>
  const Item& one_of(const std::vector<Item>& items) {
    return items[below(items.size())];
  }
  // That many of them at most, each once, in the order they had.
  template <class Item>
  std::vector<Item> some_of(const std::vector<Item>& items, std::size_t count) {
    std::vector<Item> out;
    for (std::size_t i = 0; i < items.size() && out.size() < count; ++i)
      if (below(items.size() - i) < count - out.size()) out.push_back(items[i]);
    return out;
  }

 private:
  std::uint64_t seed_;
  std::mt19937_64 random_;
};

}  // namespace lockstep::testing
