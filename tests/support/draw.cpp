// SPDX-License-Identifier: Apache-2.0
#include "support/draw.h"

#include <cstdio>
#include <cstdlib>

namespace lockstep::testing {
namespace {

std::uint64_t chosen_seed() {
  const char* set = std::getenv("LOCKSTEP_TEST_SEED");
  return set != nullptr ? std::strtoull(set, nullptr, 10) : std::random_device{}();
}

}  // namespace

Draw::Draw() : seed_(chosen_seed()), random_(seed_) {
  std::printf("LOCKSTEP_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed_));
}

}  // namespace lockstep::testing
