// SPDX-License-Identifier: Apache-2.0
#include "exchange/compare.h"

#include <bit>

#include "exchange/element_difference.h"
#include "named/open_weights.h"
#include "shelf/fixture.h"
#include "shelf/newest_whole.h"

namespace lockstep {
namespace {

using Outcome = TensorComparison::Outcome;

template <class T>
double value(DType dtype, T bits) {
  return element_value(dtype, reinterpret_cast<const std::byte*>(&bits));
}

template <class T>
ElementDifference between(DType dtype, const std::vector<T>& first, const std::vector<T>& second) {
  ElementDifference difference(dtype);
  difference.compare(std::as_bytes(std::span(first)), std::as_bytes(std::span(second)));
  return difference;
}

TEST(ElementDifference, DecodesEverySmallFloat) {
  EXPECT_EQ(value<std::uint16_t>(DType::kFloat16, 0x3c01), 1 + 1.0 / 1024);
  EXPECT_EQ(value<std::uint16_t>(DType::kFloat16, 0xfbff), -65504);
  EXPECT_EQ(value<std::uint16_t>(DType::kFloat16, 0x0001), std::ldexp(1, -24));
  EXPECT_EQ(value<std::uint16_t>(DType::kFloat16, 0x7c00), INFINITY);
  EXPECT_TRUE(std::isnan(value<std::uint16_t>(DType::kFloat16, 0x7c01)));
  for (const float number : {1.5f, -3e38f, 1e-40f, 0.0f, INFINITY}) {
    const auto bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(number) >> 16);
    const float cut = std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
    EXPECT_EQ(value<std::uint16_t>(DType::kBFloat16, bits), cut);
  }
  EXPECT_EQ(value<std::uint8_t>(DType::kFloat8E4M3, 0x7e), 448);
  EXPECT_EQ(value<std::uint8_t>(DType::kFloat8E4M3, 0x81), -std::ldexp(1, -9));
  EXPECT_TRUE(std::isnan(value<std::uint8_t>(DType::kFloat8E4M3, 0xff)));
  EXPECT_EQ(value<std::uint8_t>(DType::kFloat8E5M2, 0x7b), 57344);
  EXPECT_EQ(value<std::uint8_t>(DType::kFloat8E5M2, 0x7c), INFINITY);
  EXPECT_TRUE(std::isnan(value<std::uint8_t>(DType::kFloat8E5M2, 0x7d)));
  EXPECT_EQ(value<std::uint8_t>(DType::kBool, 7), 1);
  EXPECT_EQ(value<std::int8_t>(DType::kInt8, -3), -3);
  EXPECT_EQ(value<std::int16_t>(DType::kInt16, -300), -300);
  EXPECT_EQ(value<std::int32_t>(DType::kInt32, -300000), -300000);
}

TEST(ElementDifference, FindsTheWorstElementAndBothMaxima) {
  const auto difference = between<float>(DType::kFloat32, {1, 2, 100, 1e-3f}, {1, 2.5f, 110, 2e-3f});
  EXPECT_FALSE(difference.equal());
  EXPECT_EQ(difference.worst(), 2u);
  EXPECT_EQ(difference.max_abs(), 10);
  EXPECT_FLOAT_EQ(static_cast<float>(difference.max_rel()), 0.5f);
}

TEST(ElementDifference, TakesEqualBitsForEqualAndANaNForTheWorst) {
  EXPECT_TRUE(between<float>(DType::kFloat32, {NAN, INFINITY}, {NAN, INFINITY}).equal());
  const auto one_nan = between<float>(DType::kFloat32, {1, NAN, 3}, {1000, 2, 3});
  EXPECT_EQ(one_nan.worst(), 1u);
  EXPECT_TRUE(std::isnan(one_nan.max_abs()));
  const auto other_nan = between<std::uint32_t>(DType::kFloat32, {0x7fc00000}, {0x7fc00001});
  EXPECT_FALSE(other_nan.equal());
  const auto zeros = between<float>(DType::kFloat32, {5, 0.0f}, {5, -0.0f});
  EXPECT_FALSE(zeros.equal());
  EXPECT_EQ(zeros.worst(), 1u);
  EXPECT_EQ(zeros.max_abs(), 0);
  EXPECT_EQ(between<float>(DType::kFloat32, {INFINITY}, {-INFINITY}).max_abs(), INFINITY);
  EXPECT_EQ(between<float>(DType::kFloat32, {INFINITY}, {1}).max_rel(), INFINITY);
}

TEST(ElementDifference, SeesOneApartInHugeIntegers) {
  const std::int64_t huge = std::int64_t{1} << 60;
  EXPECT_EQ(between<std::int64_t>(DType::kInt64, {huge}, {huge + 1}).max_abs(), 1);
  EXPECT_GT(between<std::int64_t>(DType::kInt64, {INT64_MIN}, {INT64_MAX}).max_abs(), 1.8e19);
}

class Compare : public ::testing::Test {
 protected:
  std::string save(const std::string& run, const OwnedState& owned) {
    CheckpointStore store(scratch_ / run, {}, real_disk(), log_.sink());
    store.save(owned.state, false);
    return scratch_ / run + "/" + newest_whole(store)->directory().substr((scratch_ / run).size() + 1);
  }
  static Comparison compare(const std::string& first, const std::string& second) {
    return compare_tensors(*open_tensor_source(real_disk(), first), *open_tensor_source(real_disk(), second));
  }
  static std::map<std::string, TensorComparison> different(const Comparison& comparison) {
    std::map<std::string, TensorComparison> rows;
    for (const TensorComparison& row : comparison.rows)
      if (row.outcome != Outcome::kEqual) rows[row.path] = row;
    return rows;
  }

  ScratchFolder scratch_;
  EventLog log_;
};

TEST_F(Compare, FindsEveryDTypeEqualToItself) {
  const std::string path = save("a", OwnedState(1));
  const Comparison comparison = compare(path, path);
  EXPECT_TRUE(comparison.equal());
  EXPECT_EQ(comparison.rows.size(), 16u);
  EXPECT_FALSE(comparison.model_only);
}

TEST_F(Compare, NamesTheOneElementThatDiffersByItsIndex) {
  // Over 1 MiB, so that the difference lies in a later piece.
  OwnedState owned(1, 1, 400);
  const std::string first = save("a", owned);
  ASSERT_EQ(owned.state.tensors[0].key.name, "layers.0.weight");
  float number;
  const std::size_t at = (399 * 784 + 5) * sizeof number;
  std::memcpy(&number, owned.memory(0).data() + at, sizeof number);
  const float moved = number + 2;
  std::memcpy(owned.memory(0).data() + at, &moved, sizeof moved);
  const auto rows = different(compare(first, save("b", owned)));
  ASSERT_EQ(rows.size(), 1u);
  const TensorComparison& row = rows.at("model/layers.0.weight");
  EXPECT_EQ(row.outcome, Outcome::kDifferent);
  EXPECT_EQ(row.index, (Shape{399, 5}));
  EXPECT_NEAR(row.max_abs, 2, 1e-6);
}

TEST_F(Compare, SaysWhatCannotBeComparedElementByElement) {
  OwnedState first(1), second(1, 1, 41), third(1);
  second.state.tensors.pop_back();
  third.state.tensors[1].dtype = DType::kInt32;
  const std::string a = save("a", first);
  const auto rows = different(compare(a, save("b", second)));
  EXPECT_EQ(rows.at("model/layers.0.weight").outcome, Outcome::kOtherShape);
  EXPECT_EQ(rows.at("model/layers.0.weight").note, "[40, 784] and [41, 784]");
  EXPECT_EQ(rows.at("optimizer/exp_avg_sq/layers.0.weight").outcome, Outcome::kOnlyInFirst);
  const auto swapped = different(compare(scratch_ / "b/step-00000001", a));
  EXPECT_EQ(swapped.at("optimizer/exp_avg_sq/layers.0.weight").outcome, Outcome::kOnlyInSecond);
  const auto typed = different(compare(a, save("c", third)));
  ASSERT_EQ(typed.size(), 1u);
  EXPECT_EQ(typed.begin()->second.outcome, Outcome::kOtherDType);
  EXPECT_EQ(typed.begin()->second.note, "float32 and int32");
}

TEST_F(Compare, ComparesTheModelAloneWithAWeightsFile) {
  const std::string path = save("a", OwnedState(1));
  CheckpointStore(scratch_ / "a", {}, real_disk(), log_.sink()).write_weights_file(scratch_ / "w.h5");
  const Comparison comparison = compare(path, scratch_ / "w.h5");
  EXPECT_TRUE(comparison.equal());
  EXPECT_TRUE(comparison.model_only);
  EXPECT_EQ(comparison.rows.size(), 14u);
  EXPECT_FALSE(compare(scratch_ / "w.h5", scratch_ / "w.h5").model_only);
}

TEST_F(Compare, RefusesADamagedSideThatIsTheSameOnBoth) {
  const std::string path = save("a", OwnedState(1));
  std::string bytes = slurp(path + "/checkpoint.h5");
  bytes[bytes.size() - 1000] ^= 4;
  spill(path + "/checkpoint.h5", bytes);
  std::string message;
  EXPECT_EQ(code_of([&] { compare(path, path); }, &message), ExitCode::kNoValidCheckpoint);
  EXPECT_NE(message.find("optimizer/exp_avg_sq/layers.0.weight"), std::string::npos) << message;
}

}  // namespace
}  // namespace lockstep
