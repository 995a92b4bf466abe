// SPDX-License-Identifier: Apache-2.0
#pragma once

// The contract of Communicator as cases, written once. A backend includes this file and instantiates
// CommunicatorSuite.

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <thread>

#include "comm/check_arguments.h"
#include "comm/suite_backend.h"
#include "lockstep/base/error.h"

namespace lockstep {

class CommunicatorSuite : public testing::TestWithParam<SuiteBackend> {
 protected:
  void on_all_ranks(const std::function<void(const SuiteRank&)>& body) { GetParam().on_all_ranks(body); }

  template <class Body>
  void for_each_reduction(Body&& body) {
    for (DType dtype : kAllDTypes) {
      if (!can_reduce(dtype) || (dtype == DType::kInt16 && !GetParam().reduces_int16)) continue;
      for (ReduceOp op : kAllOps)
        for (bool in_place : {false, true}) body(dtype, op, in_place);
    }
  }
};

TEST_P(CommunicatorSuite, KnowsRankAndSize) {
  on_all_ranks([](const SuiteRank& me) {
    const MutableSpan all = me.blank(DType::kInt32, me.ranks());
    me.group.all_gather(me.span(DType::kInt32, 1, [&](std::size_t) { return me.rank(); }), all);
    me.expect(all, [](std::size_t i) { return static_cast<double>(i); });
    EXPECT_FALSE(me.group.backend().empty());
  });
}

TEST_P(CommunicatorSuite, AllReduceGivesEveryRankTheReduction) {
  on_all_ranks([this](const SuiteRank& me) {
    for_each_reduction([&](DType dtype, ReduceOp op, bool in_place) {
      for (std::size_t count : {1, 7, 1000}) {
        const MutableSpan send = me.mine(dtype, count);
        const MutableSpan receive = in_place ? send : me.blank(dtype, count);
        me.group.all_reduce(send, receive, op);
        me.expect(receive, [&](std::size_t i) { return suite_reduced(op, me.size(), i); });
        if (!in_place) me.expect(send, [&](std::size_t i) { return suite_value(me.rank(), i); });
      }
    });
  });
}

TEST_P(CommunicatorSuite, ReduceScatterGivesEachRankItsPart) {
  on_all_ranks([this](const SuiteRank& me) {
    for_each_reduction([&](DType dtype, ReduceOp op, bool in_place) {
      for (std::size_t count : {1, 129}) {
        const std::size_t first = static_cast<std::size_t>(me.rank()) * count;
        const MutableSpan send = me.mine(dtype, count * me.ranks());
        const MutableSpan receive = in_place ? send.slice(first, count) : me.blank(dtype, count);
        me.group.reduce_scatter(send, receive, op);
        me.expect(receive, [&](std::size_t i) { return suite_reduced(op, me.size(), first + i); });
        if (!GetParam().host_memory) continue;
        const ConstSpan rest = send.slice(0, first);
        me.expect(rest, [&](std::size_t i) { return suite_value(me.rank(), i); });
      }
    });
  });
}

TEST_P(CommunicatorSuite, AllGatherPutsPartsInRankOrder) {
  on_all_ranks([](const SuiteRank& me) {
    for (DType dtype : kAllDTypes) {
      for (bool in_place : {false, true}) {
        const std::size_t count = 33;
        const MutableSpan receive = me.blank(dtype, count * me.ranks());
        const MutableSpan part = receive.slice(static_cast<std::size_t>(me.rank()) * count, count);
        ConstSpan send = me.mine(dtype, count);
        if (in_place) {
          me.group.exchange({{{send, me.group.rank()}}}, {{{part, me.group.rank()}}});
          send = part;
        }
        me.group.all_gather(send, receive);
        me.expect(receive,
                  [&](std::size_t i) { return suite_value(static_cast<int>(i / count), i % count); });
      }
    }
  });
}

TEST_P(CommunicatorSuite, BroadcastCarriesTheRootsBytes) {
  on_all_ranks([](const SuiteRank& me) {
    for (DType dtype : kAllDTypes) {
      for (int root = 0; root < me.size(); ++root) {
        const MutableSpan data = me.mine(dtype, 257);
        me.group.broadcast(data, Rank{root});
        me.expect(data, [&](std::size_t i) { return suite_value(root, i); });
      }
    }
  });
}

TEST_P(CommunicatorSuite, ExchangeMovesUnequalSizesBetweenAllRanksAndSelf) {
  on_all_ranks([](const SuiteRank& me) {
    const auto length = [](int from, int to) { return static_cast<std::size_t>(1 + 100 * from + 7 * to); };
    for (DType dtype : kAllDTypes) {
      std::vector<Outgoing> sends;
      std::vector<Incoming> receives;
      for (int peer = 0; peer < me.size(); ++peer) {
        sends.push_back({me.mine(dtype, length(me.rank(), peer)), Rank{peer}});
        receives.push_back({me.blank(dtype, length(peer, me.rank())), Rank{peer}});
      }
      me.group.exchange(sends, receives);
      for (const Incoming& message : receives)
        me.expect(message.data, [&](std::size_t i) { return suite_value(message.peer.value, i); });
    }
  });
}

TEST_P(CommunicatorSuite, ExchangeMatchesMessagesOfOnePairInListOrder) {
  on_all_ranks([](const SuiteRank& me) {
    const Rank next{(me.rank() + 1) % me.size()};
    const Rank previous{(me.rank() + me.size() - 1) % me.size()};
    const auto constant = [&](double value) {
      return me.span(DType::kInt64, 50, [=](std::size_t) { return value; });
    };
    const std::vector<Outgoing> sends{{constant(1), next}, {constant(2), next}, {constant(3), next}};
    std::vector<Incoming> receives;
    for (int i = 0; i < 3; ++i) receives.push_back({me.blank(DType::kInt64, 50), previous});
    me.group.exchange(sends, receives);
    for (int i = 0; i < 3; ++i)
      me.expect(receives[static_cast<std::size_t>(i)].data, [&](std::size_t) { return 1 + i; });
  });
}

TEST_P(CommunicatorSuite, ExchangeSkipsEmptySpans) {
  on_all_ranks([](const SuiteRank& me) {
    const Rank next{(me.rank() + 1) % me.size()};
    const Rank previous{(me.rank() + me.size() - 1) % me.size()};
    const MutableSpan empty{nullptr, 0, DType::kFloat32};
    const MutableSpan receive = me.blank(DType::kFloat32, 5);
    const std::vector<Outgoing> sends{{empty, next}, {me.mine(DType::kFloat32, 5), next}};
    const std::vector<Incoming> receives{{receive, previous}, {empty, previous}, {empty, previous}};
    me.group.exchange(sends, receives);
    me.expect(receive, [&](std::size_t i) { return suite_value(previous.value, i); });
    me.group.exchange({}, {});
  });
}

TEST_P(CommunicatorSuite, SendAndReceiveAreTheEndsOfOneMessage) {
  on_all_ranks([](const SuiteRank& me) {
    const MutableSpan data = me.mine(DType::kBFloat16, 77);
    // A chain: only two ranks take part in each message.
    if (me.rank() > 0) me.group.receive(data, Rank{me.rank() - 1});
    if (me.rank() + 1 < me.size()) me.group.send(data, Rank{me.rank() + 1});
    me.expect(data, [](std::size_t i) { return suite_value(0, i); });
  });
}

TEST_P(CommunicatorSuite, ZeroCountsPass) {
  on_all_ranks([](const SuiteRank& me) {
    const MutableSpan empty{nullptr, 0, DType::kFloat32};
    EXPECT_NO_THROW(me.group.all_reduce(empty, empty, ReduceOp::kSum));
    EXPECT_NO_THROW(me.group.reduce_scatter(empty, empty, ReduceOp::kSum));
    EXPECT_NO_THROW(me.group.all_gather(empty, empty));
    EXPECT_NO_THROW(me.group.broadcast(empty, Rank{0}));
    EXPECT_NO_THROW(me.group.barrier());
  });
}

TEST_P(CommunicatorSuite, BarrierWaitsForTheLast) {
  on_all_ranks([](const SuiteRank& me) {
    using Clock = std::chrono::steady_clock;
    me.group.barrier();
    const auto start = Clock::now();
    if (me.rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(60));
    me.group.barrier();
    // Half of it, since a rank may be late out of the first barrier.
    EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(30));
  });
}

TEST_P(CommunicatorSuite, LargeCountsArrive) {
  on_all_ranks([](const SuiteRank& me) {
    const std::size_t count = (1 << 20) + 3;
    const MutableSpan data = me.mine(DType::kFloat32, count);
    me.group.all_reduce(data, data, ReduceOp::kSum);
    me.expect(data, [&](std::size_t i) { return suite_reduced(ReduceOp::kSum, me.size(), i); });
    const MutableSpan part = me.blank(DType::kInt16, count);
    const MutableSpan all = me.blank(DType::kInt16, count * me.ranks());
    me.group.all_gather(me.mine(DType::kInt16, count), all);
    me.expect(all, [&](std::size_t i) { return suite_value(static_cast<int>(i / count), i % count); });
    me.group.exchange({{{all.slice(0, count), me.group.rank()}}}, {{{part, me.group.rank()}}});
    me.expect(part, [](std::size_t i) { return suite_value(0, i); });
  });
}

TEST_P(CommunicatorSuite, SumsAreTheSameBitsOnEveryRankAndNearTheTrueSum) {
  on_all_ranks([](const SuiteRank& me) {
    for (std::size_t count : {3, 1000, 40000}) {
      std::vector<double> truth(count, 0.0);
      std::vector<float> own(count);
      for (int r = 0; r < me.size(); ++r) {
        std::mt19937 random(static_cast<unsigned>(r));
        std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
        for (std::size_t i = 0; i < count; ++i) {
          const float value = uniform(random);
          truth[i] += value;
          if (r == me.rank()) own[i] = value;
        }
      }
      const MutableSpan data = me.span(DType::kFloat32, count, [&](std::size_t i) { return own[i]; });
      me.group.all_reduce(data, data, ReduceOp::kSum);
      const auto sum = values_of<float>(me.fetch(data));
      for (std::size_t i = 0; i < count; ++i) ASSERT_NEAR(sum[i], truth[i], 1e-6);
      const MutableSpan all = me.blank(DType::kFloat32, count * me.ranks());
      me.group.all_gather(data, all);
      const Bytes mine = me.fetch(data);
      for (int r = 0; r < me.size(); ++r)
        EXPECT_EQ(me.fetch(all.slice(static_cast<std::size_t>(r) * count, count)), mine) << "rank " << r;
    }
  });
}

TEST_P(CommunicatorSuite, SixteenBitSumsAreRoundedAndNoWorse) {
  on_all_ranks([](const SuiteRank& me) {
    struct Type {
      DType dtype;
      double half_unit;  // of a value in [1, 2)
    };
    for (const Type type : {Type{DType::kBFloat16, 0x1p-8}, Type{DType::kFloat16, 0x1p-11}}) {
      // 1 from rank 0 and three quarters of half a unit from each other rank: what is not rounded to nearest
      // shows.
      const double small = 1.5 * type.half_unit;
      const MutableSpan data =
          me.span(type.dtype, 9, [&](std::size_t) { return me.rank() == 0 ? 1.0 : small; });
      me.group.all_reduce(data, data, ReduceOp::kSum);
      const auto bits = values_of<std::uint16_t>(me.fetch(data));
      const float sum = type.dtype == DType::kBFloat16 ? widen(BFloat16{bits[8]}) : widen(Float16{bits[8]});
      const double truth = 1.0 + small * (me.size() - 1);
      EXPECT_NEAR(sum, truth, type.half_unit * (me.size() - 1)) << name_of(type.dtype);
      if (me.size() == 2) {
        EXPECT_EQ(sum, 1.0 + 2 * type.half_unit) << name_of(type.dtype);
      }
    }
  });
}

TEST_P(CommunicatorSuite, NaNWinsMinAndMaxOnEveryRank) {
  on_all_ranks([this](const SuiteRank& me) {
    for (ReduceOp op : {ReduceOp::kMin, ReduceOp::kMax}) {
      const int holder = me.size() - 1;
      const MutableSpan data = me.span(DType::kFloat32, 6, [&](std::size_t i) {
        return me.rank() == holder && i == 4 ? std::numeric_limits<double>::quiet_NaN() : me.rank();
      });
      me.group.all_reduce(data, data, op);
      const auto values = values_of<float>(me.fetch(data));
      EXPECT_EQ(values[0], op == ReduceOp::kMin ? 0 : holder);
      // What NCCL makes of NaN is NCCL's own; the agreement on NaN goes over host memory.
      EXPECT_TRUE(std::isnan(values[4]) || !GetParam().host_memory);
    }
  });
}

TEST_P(CommunicatorSuite, WrongArgumentsAreBugsAndNothingIsSent) {
  on_all_ranks([](const SuiteRank& me) {
    Communicator& group = me.group;
    const std::size_t n = 8 * me.ranks();
    const MutableSpan a = me.mine(DType::kFloat32, n);
    const MutableSpan b = me.mine(DType::kFloat32, n);
    const MutableSpan other = me.mine(DType::kInt32, n);
    const MutableSpan nowhere{nullptr, n, DType::kFloat32};
    const Rank outside{me.size()};
    const auto both = [&](ConstSpan send, MutableSpan receive) {
      EXPECT_THROW(group.all_reduce(send, receive, ReduceOp::kSum), Bug);
    };
    both(a, other);
    both(a, b.slice(0, n - 1));
    both(a.slice(0, n - 1), a.slice(1, n - 1));
    both(a, nowhere);
    for (DType dtype : {DType::kBool, DType::kFloat8E4M3, DType::kFloat8E5M2}) {
      both(me.mine(dtype, n), me.blank(dtype, n));
      const MutableSpan part = me.blank(dtype, 8);
      EXPECT_THROW(group.reduce_scatter(me.mine(dtype, n), part, ReduceOp::kMax), Bug);
    }
    EXPECT_THROW(group.reduce_scatter(a, b.slice(0, 7), ReduceOp::kSum), Bug);
    EXPECT_THROW(group.reduce_scatter(a, other.slice(0, 8), ReduceOp::kSum), Bug);
    EXPECT_THROW(group.reduce_scatter(a.slice(0, n - me.ranks()), a.slice(n - 7, 7), ReduceOp::kSum), Bug);
    EXPECT_THROW(group.all_gather(a.slice(0, 7), b), Bug);
    EXPECT_THROW(group.all_gather(other.slice(0, 8), b), Bug);
    EXPECT_THROW(
        group.all_gather(a.slice(static_cast<std::size_t>(me.rank()) * 7 + 1, 7), a.slice(0, n - me.ranks())),
        Bug);
    EXPECT_THROW(group.broadcast(a, outside), Bug);
    EXPECT_THROW(group.broadcast(a, Rank{-1}), Bug);
    EXPECT_THROW(group.broadcast(nowhere, Rank{0}), Bug);
    EXPECT_THROW(group.send(a, outside), Bug);
    EXPECT_THROW(group.receive(a, Rank{-1}), Bug);
    EXPECT_THROW(group.send(nowhere, Rank{0}), Bug);
    const Rank self = group.rank();
    EXPECT_THROW(group.exchange({{{a, self}}}, {{{a, self}}}), Bug);
    EXPECT_THROW(group.exchange({{{a, self}}}, {{{b.slice(1, n - 1), self}}}), Bug);
    EXPECT_THROW(group.exchange({{{a, self}}}, {}), Bug);
    // Had one of them sent anything, these would meet it.
    group.all_reduce(a, b, ReduceOp::kSum);
    me.expect(b, [&](std::size_t i) { return suite_reduced(ReduceOp::kSum, me.size(), i); });
    me.expect(a, [&](std::size_t i) { return suite_value(me.rank(), i); });
  });
}

}  // namespace lockstep
