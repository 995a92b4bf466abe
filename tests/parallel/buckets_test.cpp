// SPDX-License-Identifier: Apache-2.0
#include "parallel/buckets.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>

namespace lockstep {
namespace {

// 40, 400 and 4000 bytes, each followed by padding; and a buffer, which is in no bucket.
struct Net : torch::nn::Module {
  Net() {
    register_parameter("a", torch::ones({10}));
    register_parameter("b", torch::ones({100}));
    register_parameter("c", torch::ones({1000}));
    register_parameter("d", torch::ones({1000}));
    register_buffer("mean", torch::zeros({9}));
  }
};

using Parameters = std::vector<std::vector<std::size_t>>;

class Buckets : public ::testing::Test {
 protected:
  Parameters cut(const std::vector<std::int64_t>& order, const BucketSizes& sizes) {
    buckets = cut_into_buckets(arena, order, sizes);
    Parameters parameters;
    for (const Bucket& bucket : buckets) parameters.push_back(bucket.parameters);
    return parameters;
  }

  Net net;
  ModelArena arena{net};
  std::vector<Bucket> buckets;
};

TEST_F(Buckets, BeginWithTheLastParameterAndASmallOne) {
  EXPECT_EQ(cut({}, {1, 4400}), (Parameters{{3}, {2, 1}, {0}}));
  EXPECT_EQ(cut({}, {5000, 1}), (Parameters{{3, 2}, {1}, {0}}));
  EXPECT_EQ(cut({}, {1 << 20, 1 << 20}), (Parameters{{3, 2, 1, 0}}));
}

TEST_F(Buckets, FollowTheOrderWithTheUnobservedBehind) {
  EXPECT_EQ(cut({1, 3}, {1, 1}), (Parameters{{1}, {3}, {2}, {0}}));
  EXPECT_EQ(cut({2, 0, 1}, {1 << 20, 1}), (Parameters{{2, 0, 1, 3}}));
}

TEST_F(Buckets, CoverAllGradientsOnce) {
  for (const std::vector<std::int64_t>& order :
       {std::vector<std::int64_t>{}, {0, 2}, {3, 1, 0, 2}, {0, 1, 2, 3}}) {
    for (const std::int64_t bytes : {1, 500, 1 << 20}) {
      cut(order, {bytes, bytes});
      std::vector<Slice> ranges;
      for (const Bucket& bucket : buckets)
        ranges.insert(ranges.end(), bucket.ranges.begin(), bucket.ranges.end());
      std::ranges::sort(ranges, {}, &Slice::begin);
      std::int64_t at = 0;
      for (const Slice& range : ranges) {
        EXPECT_EQ(range.begin, at);
        at = range.end;
      }
      EXPECT_EQ(at, arena.trainable_count());
    }
  }
}

TEST_F(Buckets, TakeNeighboursAsOneRange) {
  cut({0, 2, 1}, {1 << 20, 1 << 20});
  ASSERT_EQ(buckets.size(), 1u);
  EXPECT_EQ(buckets[0].ranges, (std::vector<Slice>{{0, arena.trainable_count()}}));
  cut({0, 2}, {100, 1 << 20});
  ASSERT_EQ(buckets.size(), 2u);
  EXPECT_EQ(buckets[0].ranges.size(), 2u);  // a and c, b lies between
}

}  // namespace
}  // namespace lockstep
