// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/shard_plan.h"

#include <numeric>

#include "checkpoint/digest.h"
#include "checkpoint/manifest.h"
#include "shelf/fixture.h"

namespace lockstep {
namespace {

// Bytes are never looked at by a plan, only counted.
std::vector<StateTensor> sized(const std::vector<std::pair<DType, Shape>>& of) {
  std::vector<StateTensor> tensors;
  for (std::size_t i = 0; i < of.size(); ++i) {
    const auto& [dtype, shape] = of[i];
    const std::size_t bytes = static_cast<std::size_t>(element_count(shape)) * size_of(dtype);
    tensors.push_back(
        {{{"", "t" + std::to_string(1000 + i)}, dtype, shape}, {(const std::byte*)nullptr, bytes}});
  }
  return tensors;
}

std::uint64_t piece_bytes(const StateTensor& tensor, const ShardPiece& piece) {
  return byte_count(rows_of(tensor, piece.rows));
}

std::vector<std::uint64_t> loads_of(const std::vector<StateTensor>& tensors, const ShardPlan& plan) {
  std::vector<std::uint64_t> loads;
  for (const auto& shard : plan.shards) {
    loads.push_back(0);
    for (const ShardPiece& piece : shard.pieces) loads.back() += piece_bytes(tensors[piece.tensor], piece);
  }
  return loads;
}

bool may_be_cut(const StateTensor& tensor) {
  const auto name = name_of(tensor.dtype);
  return tensor.shape.size() >= 2 && (name.find("float") != name.npos);
}

// Every row once and in order over the shards, cuts between leaves of what may be cut, one piece a shard.
void expect_sound(const std::vector<StateTensor>& tensors, const ShardPlan& plan) {
  std::vector<std::int64_t> rows(tensors.size(), 0);
  std::vector<int> pieces(tensors.size(), 0);
  for (const auto& shard : plan.shards) {
    for (std::size_t i = 1; i < shard.pieces.size(); ++i)
      ASSERT_LT(shard.pieces[i - 1].tensor, shard.pieces[i].tensor);
    for (const ShardPiece& piece : shard.pieces) {
      const StateTensor& tensor = tensors[piece.tensor];
      ASSERT_EQ(piece.first_row, rows[piece.tensor]);
      rows[piece.tensor] += piece.rows;
      ++pieces[piece.tensor];
      if (piece.first_row == 0) continue;
      ASSERT_TRUE(may_be_cut(tensor)) << name_of(tensor.dtype) << tensor.shape.size();
      const std::uint64_t row = tensor.bytes.size() / static_cast<std::uint64_t>(tensor.shape[0]);
      ASSERT_EQ(static_cast<std::uint64_t>(piece.first_row) * row % leaf_bytes(tensor), 0u);
    }
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    ASSERT_EQ(rows[i], tensors[i].shape.empty() ? 1 : tensors[i].shape[0]);
    ASSERT_GE(pieces[i], 1);
  }
}

// Numbers of a test case, each a pure function of its seed.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : seed_(seed) {}
  std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(mix_key({seed_, ++drawn_}) % static_cast<std::uint64_t>(limit));
  }
  DType dtype() {
    constexpr std::array kTypes = {DType::kFloat32, DType::kFloat32, DType::kFloat16, DType::kFloat64,
                                   DType::kInt64,   DType::kBool,    DType::kBFloat16};
    return kTypes[static_cast<std::size_t>(below(kTypes.size()))];
  }

 private:
  std::uint64_t seed_;
  std::uint64_t drawn_ = 0;
};

// As models have them: matrices of all sizes, small vectors and scalars, some without elements.
std::vector<StateTensor> model_like(Draw& draw) {
  std::vector<std::pair<DType, Shape>> of;
  for (std::int64_t n = draw.below(40); n >= 0; --n) switch (draw.below(6)) {
      case 0:
        of.push_back({draw.dtype(), {}});
        break;
      case 1:
        of.push_back({draw.dtype(), {draw.below(8'000)}});
        break;
      case 2:
        of.push_back({DType::kFloat32, {draw.below(4), draw.below(3), 7}});
        break;
      default:
        of.push_back({DType::kFloat32, {1 + draw.below(3'000), 1 + draw.below(2'000)}});
    }
  return sized(of);
}

TEST(ShardPlan, HoldsEveryRowOnceAndIsBalancedWithin5PercentOrALeaf) {
  std::size_t split = 0;
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    Draw draw(seed);
    const auto tensors = model_like(draw);
    std::uint64_t total = 0;
    std::uint64_t leaf = 256 * 1024;
    for (const StateTensor& tensor : tensors) {
      total += tensor.bytes.size();
      if (may_be_cut(tensor)) leaf = std::max(leaf, leaf_bytes(tensor));
    }
    for (int shards = 1; shards <= 9; ++shards) {
      const ShardPlan plan = plan_sharded(tensors, shards);
      ASSERT_NO_FATAL_FAILURE(expect_sound(tensors, plan)) << seed << " " << shards;
      const double mean = static_cast<double>(total) / shards;
      for (const std::uint64_t load : loads_of(tensors, plan))
        ASSERT_LE(std::abs(static_cast<double>(load) - mean),
                  std::max(0.05 * mean, static_cast<double>(leaf)))
            << seed << " " << shards;
      for (const auto& shard : plan.shards)
        for (const ShardPiece& piece : shard.pieces) split += piece.first_row > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(split, 10'000u);
}

// Large tensors that may not be cut make some shards larger than the mean; those hold nothing besides.
TEST(ShardPlan, PutsNothingIntoAShardThatIsTooLargeForItsWholeTensors) {
  std::size_t seen = 0;
  for (std::uint64_t seed = 0; seed < 1'000; ++seed) {
    Draw draw(seed);
    std::vector<std::pair<DType, Shape>> of;
    for (std::int64_t n = draw.below(12); n >= 0; --n) {
      of.push_back({draw.dtype(), {1 + draw.below(4'000'000)}});
      of.push_back({draw.dtype(), {1 + draw.below(2'000), 1 + draw.below(1'000)}});
    }
    const auto tensors = sized(of);
    for (int shards = 1; shards <= 9; ++shards) {
      const ShardPlan plan = plan_sharded(tensors, shards);
      ASSERT_NO_FATAL_FAILURE(expect_sound(tensors, plan)) << seed << " " << shards;
      const auto loads = loads_of(tensors, plan);
      const auto emptiest = *std::min_element(loads.begin(), loads.end());
      for (std::size_t s = 0; s < loads.size(); ++s) {
        if (loads[s] <= emptiest + 512 * 1024) continue;
        ++seen;
        for (const ShardPiece& piece : plan.shards[s].pieces)
          ASSERT_FALSE(may_be_cut(tensors[piece.tensor])) << seed << " " << shards;
      }
    }
  }
  EXPECT_GT(seen, 1'000u);
}

TEST(ShardPlan, NamesItsFilesAndLeavesShardsEmptyWhereThereIsTooLittle) {
  const ShardPlan plan = plan_sharded(sized({{DType::kFloat32, {4}}}), 3);
  EXPECT_EQ(plan.layout, "sharded");
  ASSERT_EQ(plan.shards.size(), 3u);
  EXPECT_EQ(plan.shards[0].file, "shard-00000-of-00003.h5");
  EXPECT_EQ(plan.shards[2].file, "shard-00002-of-00003.h5");
  std::size_t pieces = 0;
  for (const auto& shard : plan.shards) pieces += shard.pieces.size();
  EXPECT_EQ(pieces, 1u);
  EXPECT_EQ(plan_sharded({}, 2).shards.size(), 2u);
  EXPECT_THROW(plan_sharded({}, 0), Bug);
}

TEST(ShardPlan, DependsOnShapesAlone) {
  OwnedState one(1, 1, 4'000);
  OwnedState other(2, 7, 4'000);
  const ShardPlan a = plan_sharded(plan_state(one.state).tensors, 3);
  const ShardPlan b = plan_sharded(plan_state(other.state).tensors, 3);
  for (std::size_t s = 0; s < 3; ++s) {
    ASSERT_EQ(a.shards[s].pieces.size(), b.shards[s].pieces.size());
    for (std::size_t i = 0; i < a.shards[s].pieces.size(); ++i) {
      EXPECT_EQ(a.shards[s].pieces[i].tensor, b.shards[s].pieces[i].tensor);
      EXPECT_EQ(a.shards[s].pieces[i].first_row, b.shards[s].pieces[i].first_row);
      EXPECT_EQ(a.shards[s].pieces[i].rows, b.shards[s].pieces[i].rows);
    }
  }
}

TEST(Layout, ShardsAreWorthItWhereSeveralRanksShareALargeState) {
  constexpr std::uint64_t kLarge = 64u << 20;
  EXPECT_TRUE(worth_sharding(kLarge, WorldSize{2}));
  EXPECT_FALSE(worth_sharding(kLarge - 1, WorldSize{2}));
  EXPECT_FALSE(worth_sharding(kLarge, WorldSize{1}));
}

}  // namespace
}  // namespace lockstep
