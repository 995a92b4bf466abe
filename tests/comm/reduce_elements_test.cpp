// SPDX-License-Identifier: Apache-2.0
#include "comm/reduce_elements.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/half.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

template <class T>
T reduced(ReduceOp op, DType dtype, T a, T b) {
  reduce_elements(op, {&a, 1, dtype}, &b);
  return b;
}

TEST(Half, EveryValueSurvivesWideningAndNarrowing) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float of_bfloat = widen(BFloat16{half});
    const float of_float16 = widen(Float16{half});
    ASSERT_TRUE(std::isnan(of_bfloat) || to_bfloat16(of_bfloat).bits == half) << half;
    ASSERT_TRUE(std::isnan(of_float16) || to_float16(of_float16).bits == half) << half;
    ASSERT_EQ(std::isnan(of_float16), (half & 0x7fff) > 0x7c00);
  }
}

TEST(Half, KnownValues) {
  EXPECT_EQ(widen(Float16{0x3c00}), 1.0f);
  EXPECT_EQ(widen(Float16{0xc500}), -5.0f);
  EXPECT_EQ(widen(Float16{0x0001}), 0x1p-24f);
  EXPECT_EQ(widen(Float16{0x7bff}), 65504.0f);
  EXPECT_EQ(widen(Float16{0x7c00}), std::numeric_limits<float>::infinity());
  EXPECT_EQ(widen(BFloat16{0x3f80}), 1.0f);
  EXPECT_EQ(widen(BFloat16{0xc0a0}), -5.0f);
}

// Between each value and the next: below the middle down, above it up, the middle itself to the even one.
TEST(Half, NarrowingRoundsToNearestTiesToEven) {
  for (std::uint16_t bits = 0; bits < 0x7bff; ++bits) {
    const float low = widen(Float16{bits});
    const float high = widen(Float16{static_cast<std::uint16_t>(bits + 1)});
    const float middle = low + (high - low) / 2;
    const auto even = static_cast<std::uint16_t>(bits + (bits & 1));
    ASSERT_EQ(to_float16(middle).bits, even) << bits;
    ASSERT_EQ(to_float16(std::nextafter(middle, low)).bits, bits);
    ASSERT_EQ(to_float16(std::nextafter(-middle, -high)).bits, 0x8000 | (bits + 1));
  }
  EXPECT_EQ(to_float16(65519.0f).bits, 0x7bff);
  EXPECT_EQ(to_float16(65520.0f).bits, 0x7c00);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3f808000u)).bits, 0x3f80);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3f818000u)).bits, 0x3f82);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3f808001u)).bits, 0x3f81);
  EXPECT_EQ(to_bfloat16(kNaN).bits, 0x7fc0);
}

TEST(ReduceElements, SixteenBitSumsAreRoundedOnce) {
  const auto sum = reduced(ReduceOp::kSum, DType::kBFloat16, to_bfloat16(1.0f), to_bfloat16(0x1.8p-8f));
  EXPECT_EQ(widen(sum), 1.0f + 0x1p-7f);
  const auto half = reduced(ReduceOp::kSum, DType::kFloat16, to_float16(2048.0f), to_float16(1.0f));
  EXPECT_EQ(widen(half), 2048.0f);
}

TEST(ReduceElements, IntegersWrap) {
  EXPECT_EQ(reduced<std::int32_t>(ReduceOp::kSum, DType::kInt32, std::numeric_limits<std::int32_t>::max(), 1),
            std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(reduced<std::uint8_t>(ReduceOp::kSum, DType::kUInt8, 255, 2), 1);
  EXPECT_EQ(reduced<std::int8_t>(ReduceOp::kMin, DType::kInt8, -3, 2), -3);
  EXPECT_EQ(reduced<std::int16_t>(ReduceOp::kMax, DType::kInt16, -3, 2), 2);
}

TEST(ReduceElements, MinAndMaxDoNotDependOnTheOrder) {
  for (ReduceOp op : {ReduceOp::kMin, ReduceOp::kMax}) {
    EXPECT_TRUE(std::isnan(reduced(op, DType::kFloat32, kNaN, 1.0f)));
    EXPECT_TRUE(std::isnan(reduced(op, DType::kFloat32, 1.0f, kNaN)));
    const bool negative = op == ReduceOp::kMin;
    EXPECT_EQ(std::signbit(reduced(op, DType::kFloat64, -0.0, 0.0)), negative);
    EXPECT_EQ(std::signbit(reduced(op, DType::kFloat64, 0.0, -0.0)), negative);
  }
}

TEST(ReduceElements, BoolIsABug) {
  EXPECT_THROW(reduced<std::uint8_t>(ReduceOp::kSum, DType::kBool, 1, 1), Bug);
}

}  // namespace
}  // namespace lockstep
