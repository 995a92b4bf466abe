// SPDX-License-Identifier: Apache-2.0
// Note [one order]: what the instruction set, the alignment and the length of a part must not change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "optim/kernels/kernel_choice.h"

namespace lockstep {
namespace {

template <class Number>
using BitsOf = std::conditional_t<sizeof(Number) == 4, std::uint32_t, std::uint64_t>;

// All NaN are one: which of two operands gives its payload is the compiler's choice.
template <class Number>
std::vector<BitsOf<Number>> bits_of(const std::vector<Number>& values) {
  std::vector<BitsOf<Number>> bits;
  for (const Number value : values)
    bits.push_back(std::isnan(value) ? ~BitsOf<Number>{0} : std::bit_cast<BitsOf<Number>>(value));
  return bits;
}

// Ordinary values, and one in four of everything else that there is: any exponent, denormals, inf, NaN.
template <class Number>
std::vector<Number> drawn(std::size_t count, std::mt19937_64& source) {
  using Limits = std::numeric_limits<Number>;
  const std::vector<Number> odd = {0,
                                   -Number{0},
                                   Limits::denorm_min(),
                                   -Limits::min() / 3,
                                   Limits::max(),
                                   Limits::infinity(),
                                   -Limits::infinity(),
                                   Limits::quiet_NaN()};
  std::normal_distribution<Number> ordinary;
  std::vector<Number> values(count);
  for (Number& value : values) {
    const std::uint64_t dice = source() % 8;
    if (dice == 0)
      value = odd[source() % odd.size()];
    else if (dice == 1)
      value = std::bit_cast<Number>(static_cast<BitsOf<Number>>(source()));
    else
      value = ordinary(source);
  }
  return values;
}

// Four arrays as an optimizer has them, each `shift` elements behind where its allocation begins; of every
// other `shift` the gradients are means of two.
template <class Number>
struct Arrays {
  Arrays(std::int64_t elements, std::size_t shift_by, std::mt19937_64& source)
      : count(elements), shift(shift_by) {
    for (auto& array : arrays) array = drawn<Number>(static_cast<std::size_t>(count) + shift, source);
    for (Number& square : arrays[3]) square = std::abs(square);
    if (shift % 2 == 1) others = drawn<Number>(arrays[1].size(), source);
  }
  Number* at(std::size_t array, std::int64_t element) { return arrays[array].data() + shift + element; }

  PendingMean<Number> gradients(std::int64_t from) {
    if (others.empty()) return {at(1, from)};
    return {at(1, from), others.data() + shift + from, Number{0.5}};
  }

  void update(const UpdateKernels& kernels, const AdamNumbers& numbers, std::int64_t from, std::int64_t to) {
    kernels(AdamPart<Number>{to - from, at(0, from), gradients(from), at(2, from), at(3, from)}, numbers);
  }
  void update(const UpdateKernels& kernels, const SgdNumbers& numbers, std::int64_t from, std::int64_t to) {
    Number* const buffer = numbers.use == MomentumUse::kNone ? nullptr : at(2, from);
    kernels(SgdPart<Number>{to - from, at(0, from), gradients(from), buffer}, numbers);
  }
  auto bits() const {
    std::vector<std::vector<BitsOf<Number>>> all;
    for (const auto& array : arrays) all.push_back(bits_of(array));
    return all;
  }

  std::int64_t count;
  std::size_t shift;
  std::array<std::vector<Number>, 4> arrays;  // parameters, gradients, first and second slot
  std::vector<Number> others;                 // the gradients' second summands
};

std::vector<AdamNumbers> adam_numbers() {
  std::vector<AdamNumbers> all;
  for (const double beta1 : {0.9, 0.3, 0.0})
    for (const bool decoupled : {true, false})
      all.push_back({decoupled ? 0 : 0.1, decoupled ? 0.999 : 1, 1 - beta1, 0.95, 1.7, 1e-6, 0.01,
                     decoupled ? 1 : 0.3});
  return all;
}

std::vector<SgdNumbers> sgd_numbers() {
  std::vector<SgdNumbers> all;
  for (const double decay : {0.0, 0.1})
    for (const MomentumUse use : {MomentumUse::kNone, MomentumUse::kFirst, MomentumUse::kLater})
      for (const bool nesterov : {false, true})
        all.push_back({0.1, decay, 0.9, use, nesterov, decay == 0 ? 1 : 0.3});
  return all;
}

const UpdateKernels& default_kernels() {
  return *runnable_update_kernels().front();
}

// Every length up to two of the widest registers and their remainders, and a long one.
template <class Number, class Numbers>
void expect_bits_of_the_default(const UpdateKernels& kernels, const std::vector<Numbers>& all) {
  std::mt19937_64 source(1);
  for (const Numbers& numbers : all)
    for (std::int64_t count = 0; count <= 70; ++count) {
      const std::int64_t length = count == 70 ? 5003 : count;
      Arrays<Number> expected(length, static_cast<std::size_t>(count % 5), source);
      Arrays<Number> made = expected;
      expected.update(default_kernels(), numbers, 0, length);
      made.update(kernels, numbers, 0, length);
      ASSERT_EQ(made.bits(), expected.bits()) << kernels.capability << ", " << length << " elements";
    }
}

TEST(UpdateKernels, OfEveryInstructionSetGiveTheSameBits) {
  for (const UpdateKernels* kernels : runnable_update_kernels()) {
    expect_bits_of_the_default<float>(*kernels, adam_numbers());
    expect_bits_of_the_default<double>(*kernels, adam_numbers());
    expect_bits_of_the_default<float>(*kernels, sgd_numbers());
    expect_bits_of_the_default<double>(*kernels, sgd_numbers());
  }
}

// As the order is documented.
template <class Number>
std::vector<double> lanes_of(const PendingMean<Number>& mean, std::int64_t count) {
  std::vector<double> lanes(kSquareLanes);
  for (std::int64_t i = 0; i < count; ++i) {
    const Number sum = mean.right == nullptr ? mean.left[i] : mean.left[i] + mean.right[i];
    const double value = sum * mean.factor;
    const bool whole = i < count / kSquareLanes * kSquareLanes;
    lanes[whole ? static_cast<std::size_t>(i % kSquareLanes) : 0] += value * value;
  }
  return lanes;
}

template <class Number>
void expect_squares(const UpdateKernels& kernels) {
  std::mt19937_64 source(3);
  for (std::int64_t count = 0; count <= 70; ++count) {
    Arrays<Number> arrays(count == 70 ? 5003 : count, static_cast<std::size_t>(count % 5), source);
    // Without inf and NaN, beside which nothing else shows.
    if (count % 3 > 0)
      for (auto* values : {&arrays.arrays[1], &arrays.others})
        for (Number& value : *values) value = std::isfinite(value) ? std::fmod(value, Number{1000}) : 1;
    const PendingMean<Number> mean = arrays.gradients(0);
    std::vector<double> lanes(kSquareLanes), in_two(kSquareLanes);
    kernels(mean, arrays.count, lanes.data());
    EXPECT_EQ(bits_of(lanes), bits_of(lanes_of(mean, arrays.count))) << kernels.capability << ", " << count;
    const std::int64_t cut = arrays.count / 2 / kSquareLanes * kSquareLanes;
    kernels(mean, cut, in_two.data());
    kernels(mean.from(cut), arrays.count - cut, in_two.data());
    EXPECT_EQ(bits_of(in_two), bits_of(lanes)) << kernels.capability << ", " << count;
  }
}

TEST(UpdateKernels, SumSquaresInTheDocumentedLanes) {
  for (const UpdateKernels* kernels : runnable_update_kernels()) {
    expect_squares<float>(*kernels);
    expect_squares<double>(*kernels);
  }
}

// One element alone takes no vector register.
template <class Number, class Numbers>
void expect_bits_of_single_elements(const UpdateKernels& kernels, const std::vector<Numbers>& all) {
  std::mt19937_64 source(2);
  for (const Numbers& numbers : all) {
    Arrays<Number> whole(1009, 3, source);
    Arrays<Number> cut = whole;
    whole.update(kernels, numbers, 0, whole.count);
    for (std::int64_t i = 0; i < cut.count; ++i) cut.update(kernels, numbers, i, i + 1);
    ASSERT_EQ(cut.bits(), whole.bits()) << kernels.capability;
  }
}

TEST(UpdateKernels, GiveAnElementTheSameBitsWhateverLiesBesideIt) {
  for (const UpdateKernels* kernels : runnable_update_kernels()) {
    expect_bits_of_single_elements<float>(*kernels, adam_numbers());
    expect_bits_of_single_elements<double>(*kernels, adam_numbers());
    expect_bits_of_single_elements<float>(*kernels, sgd_numbers());
    expect_bits_of_single_elements<double>(*kernels, sgd_numbers());
  }
}

TEST(UpdateKernels, TouchNothingBesideTheirPart) {
  std::mt19937_64 source(3);
  for (const UpdateKernels* kernels : runnable_update_kernels()) {
    Arrays<float> arrays(200, 0, source);
    const auto before = arrays.bits();
    arrays.update(*kernels, adam_numbers().front(), 50, 150);
    const auto after = arrays.bits();
    EXPECT_EQ(after[1], before[1]) << "gradients are only read";
    int changed = 0;
    for (std::size_t i = 0; i < 200; ++i)
      for (const std::size_t array : {0, 2, 3}) {
        const bool same = after[array][i] == before[array][i];
        EXPECT_TRUE(same || (i >= 50 && i < 150)) << array << " " << i;
        changed += same ? 0 : 1;
      }
    EXPECT_GT(changed, 150);
  }
}

// Values that every library makes alike: 52 random bits and an exponent.
template <class Number>
std::vector<Number> exactly_drawn(std::size_t count, std::mt19937_64& source) {
  std::vector<Number> values(count);
  for (Number& value : values) {
    const auto mantissa = static_cast<double>(static_cast<std::int64_t>(source()) >> 11);
    value = static_cast<Number>(std::ldexp(mantissa, -52 - static_cast<int>(source() % 20)));
  }
  return values;
}

// FNV-1a over the bits that the updates of `all` numbers make one after the other.
template <class Number, class Numbers>
std::uint64_t digest_of(const std::vector<Numbers>& all) {
  std::mt19937_64 source(4);
  Arrays<Number> arrays(257, 0, source);
  for (auto& array : arrays.arrays) array = exactly_drawn<Number>(257, source);
  for (Number& square : arrays.arrays[3]) square = std::abs(square);
  for (Numbers numbers : all) {
    numbers.scale = 1;
    arrays.update(default_kernels(), numbers, 0, arrays.count);
  }
  std::uint64_t digest = 0xcbf29ce484222325;
  for (const auto& array : arrays.bits())
    for (const auto bits : array) digest = (digest ^ bits) * 0x100000001b3;
  return digest;
}

// Other bits are another version: count kUpdateKernels up and put its digests here.
TEST(UpdateKernels, HaveTheBitsOfTheirVersion) {
  ASSERT_EQ(kUpdateKernels, 1);
  EXPECT_EQ(digest_of<float>(adam_numbers()), 0x61ccdaf48aad8c26u);
  EXPECT_EQ(digest_of<double>(adam_numbers()), 0xbd43d59ed3805958u);
  EXPECT_EQ(digest_of<float>(sgd_numbers()), 0x6be93f985b6a1fceu);
  EXPECT_EQ(digest_of<double>(sgd_numbers()), 0xa0edd8eb29545131u);
}

TEST(UpdateKernels, AreThoseOfTheCapabilityThatLibTorchKeepsTo) {
  EXPECT_EQ(update_kernels_for("DEFAULT").capability, "DEFAULT");
  EXPECT_EQ(update_kernels_for("of another architecture").capability, "DEFAULT");
  for (const UpdateKernels* kernels : runnable_update_kernels())
    EXPECT_EQ(&update_kernels_for(kernels->capability), kernels);
}

}  // namespace
}  // namespace lockstep
