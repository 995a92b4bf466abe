// SPDX-License-Identifier: Apache-2.0
#pragma once

// What agree.h promises, as cases over any world; instantiated with threads and with real ranks.

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <ostream>
#include <string>
#include <type_traits>

#include "comm/agree_alike.h"

namespace lockstep {

struct AgreeWorlds {
  std::string name;
  std::function<void(const std::function<void(World&)>&)> on_all_ranks;
};

inline void PrintTo(const AgreeWorlds& worlds, std::ostream* out) {
  *out << worlds.name;
}

class AgreeSuite : public testing::TestWithParam<AgreeWorlds> {
 protected:
  void on_all_ranks(const std::function<void(World&)>& body) { GetParam().on_all_ranks(body); }

  // The Fault that `call` must throw.
  static AgreedFault fault_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const AgreedFault& fault) {
      return fault;
    }
    ADD_FAILURE() << "no rank may pass here";
    return AgreedFault(ExitCode::kDone, "");
  }
};

static_assert(!std::is_constructible_v<Agreed<int>, int>, "a local value is not an agreed one");
static_assert(!std::is_default_constructible_v<Agreed<int>>);
static_assert(!std::is_convertible_v<int, Agreed<int>>);
static_assert(!std::is_assignable_v<decltype(Agreed<int>::value)&, int>);

enum class Colour : std::uint8_t { kRed = 1, kGreen = 200 };

TEST_P(AgreeSuite, OneMessageSaysTheLargestAndWhetherAllAreAlike) {
  on_all_ranks([](World& world) {
    const int rank = world.rank().value;
    const int last = world.size().value - 1;
    for (const std::uint64_t hash : {std::uint64_t{0}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
      const LargestAlike said = agree_alike(world, rank, hash).value;
      EXPECT_EQ(said.largest, last);
      EXPECT_TRUE(said.alike);
      EXPECT_EQ(agree_alike(world, -rank, rank == last ? hash ^ 1 : hash).value.alike, last == 0);
    }
  });
}

TEST_P(AgreeSuite, MaxAndMinOfIntegersEnumsAndStrongNumbers) {
  on_all_ranks([](World& world) {
    const int rank = world.rank().value;
    const int last = world.size().value - 1;
    EXPECT_EQ(agree_max(world, rank).value, last);
    EXPECT_EQ(agree_min(world, -rank).value, -last);
    EXPECT_EQ(agree_max(world, Step{100 + rank}).value, Step{100 + last});
    EXPECT_EQ(agree_min(world, Rank{rank}).value, Rank{0});
    EXPECT_EQ(agree_max(world, rank == last).value, true);
    EXPECT_EQ(agree_max(world, rank == last ? Colour::kGreen : Colour::kRed).value, Colour::kGreen);
    EXPECT_EQ(agree_min(world, rank == last ? Colour::kRed : Colour::kGreen).value, Colour::kRed);
  });
}

TEST_P(AgreeSuite, TheWholeRangeOf64BitsKeepsItsOrder) {
  on_all_ranks([](World& world) {
    const bool last = world.rank().value == world.size().value - 1;
    const auto big = std::numeric_limits<std::uint64_t>::max();
    EXPECT_EQ(agree_max(world, last ? big : std::uint64_t{1}).value, big);
    EXPECT_EQ(agree_min(world, last ? std::uint64_t{1} : big).value, 1u);
    const auto low = std::numeric_limits<std::int64_t>::min();
    EXPECT_EQ(agree_min(world, last ? low : std::int64_t{1}).value, low);
  });
}

TEST_P(AgreeSuite, WhatRootHoldsReachesAll) {
  on_all_ranks([](World& world) {
    const std::string text("a\0b, and 4 KiB of more: ", 24);
    const std::string all = text + std::string(4096, 'x');
    EXPECT_EQ(agree_on_root(world, world.is_root() ? all : "ignored").value, all);
    EXPECT_EQ(agree_on_root(world, world.is_root() ? "" : "ignored").value, "");
  });
}

TEST_P(AgreeSuite, EqualBytesPass) {
  on_all_ranks([](World& world) {
    EXPECT_EQ(agree_same(world, "the seed", "seven", ExitCode::kConfig).value, "seven");
  });
}

TEST_P(AgreeSuite, DifferentBytesAreAFaultOnEveryRankThatNamesTheRanks) {
  on_all_ranks([](World& world) {
    if (world.size().value == 1) return;
    const int last = world.size().value - 1;
    const std::string mine = world.rank().value == last ? "eight" : "seven";
    const AgreedFault fault = fault_of([&] { agree_same(world, "the seed", mine, ExitCode::kConfig); });
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    EXPECT_EQ(fault.fact(), "the seed differs between ranks: 'seven' on rank 0, 'eight' on rank " +
                                std::to_string(last) + " (unlike rank 0: " + std::to_string(last) + ")");
  });
}

TEST_P(AgreeSuite, FaultOfOneRankIsThrownByAllWithItsCode) {
  on_all_ranks([](World& world) {
    const int last = world.size().value - 1;
    const AgreedFault fault = fault_of([&] {
      together(world, [&] {
        if (world.rank().value == last) throw Fault(ExitCode::kStorage, "the disk is full", "Free some");
      });
    });
    EXPECT_EQ(fault.code(), ExitCode::kStorage);
    EXPECT_EQ(fault.remedy(), "Free some");
    const std::string prefix = world.rank().value == last ? "" : "rank " + std::to_string(last) + ": ";
    EXPECT_EQ(fault.fact(), prefix + "the disk is full");
  });
}

TEST_P(AgreeSuite, LowestFailingRankGivesTheCodeAndEachItsOwnText) {
  on_all_ranks([](World& world) {
    const int rank = world.rank().value;
    const ExitCode code = rank == 0 ? ExitCode::kInputMissing : ExitCode::kStorage;
    const Fault mine(code, "text of " + std::to_string(rank));
    const AgreedFault fault = fault_of([&] { agree_no_fault(world, mine); });
    EXPECT_EQ(fault.code(), ExitCode::kInputMissing);
    EXPECT_EQ(fault.fact(), "text of " + std::to_string(rank));
  });
}

TEST_P(AgreeSuite, WorkOfRootRunsOnceAndItsFaultIsEverybodys) {
  on_all_ranks([](World& world) {
    int runs = 0;
    on_root(world, [&] { ++runs; });
    EXPECT_EQ(runs, world.is_root() ? 1 : 0);
    const AgreedFault fault =
        fault_of([&] { on_root(world, [] { throw Fault(ExitCode::kRunDirectory, "no room"); }); });
    EXPECT_EQ(fault.code(), ExitCode::kRunDirectory);
    EXPECT_NE(fault.fact().find("no room"), std::string::npos);
  });
}

}  // namespace lockstep
