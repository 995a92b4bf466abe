// SPDX-License-Identifier: Apache-2.0
#include "data/augmented.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "data/data_files.h"
#include "data/fields.h"

namespace lockstep {
namespace {

using testing::expect_fault;
using testing::read_fields;

constexpr std::int64_t kHeight = 4;
constexpr std::int64_t kWidth = 5;

// Two channels of a picture whose pixels are all different, a mask that marks half of them, a vector.
class Pictures : public Dataset {
 public:
  std::int64_t size() const override { return 100; }
  std::vector<Field> fields() const override {
    return {{"image", DType::kUInt8, {2, kHeight, kWidth}},
            {"mask", DType::kBool, {kHeight, kWidth}},
            {"vector", DType::kFloat32, {3}},
            {"target", DType::kInt64, target}};
  }
  void sample(const SampleContext& context, Sample& into) const override {
    std::uint8_t next = 1;
    for (std::uint8_t& pixel : into.values<std::uint8_t>("image")) pixel = next++;
    std::size_t i = 0;
    for (std::uint8_t& pixel : into.values<std::uint8_t>("mask")) pixel = static_cast<std::uint8_t>(i++ % 2);
    for (float& value : into.values<float>("vector")) value = 7;
    for (std::int64_t& label : into.values<std::int64_t>("target")) label = context.index;
  }
  Shape target;
};

SampleContext training(std::int64_t index, std::uint64_t key) {
  return {.index = index, .epoch = Epoch(0), .is_training = true, .key = key};
}

using Pixels = std::vector<std::uint8_t>;

Pixels image_of(const Dataset& data, const SampleContext& context) {
  return read_fields(data, context).as<std::uint8_t>("image");
}

// What padding, cutting at (down, right) from the middle and flipping make of the picture.
Pixels expected(std::int64_t down, std::int64_t right, bool flips) {
  Pixels pixels;
  for (std::int64_t c = 0; c < 2; ++c)
    for (std::int64_t y = 0; y < kHeight; ++y)
      for (std::int64_t x = 0; x < kWidth; ++x) {
        const std::int64_t row = y + down;
        const std::int64_t column = (flips ? kWidth - 1 - x : x) + right;
        const bool inside = row >= 0 && row < kHeight && column >= 0 && column < kWidth;
        pixels.push_back(inside ? static_cast<std::uint8_t>(1 + (c * kHeight + row) * kWidth + column) : 0);
      }
  return pixels;
}

TEST(Augmented, EveryPictureIsAPaddedCropFlippedOrNotAndAllOfThemComeUp) {
  const auto data = augmented(std::make_unique<Pictures>(), {.flip = true, .crop = 1});
  std::set<Pixels> all;
  for (const std::int64_t down : {-1, 0, 1})
    for (const std::int64_t right : {-1, 0, 1})
      for (const bool flips : {false, true}) all.insert(expected(down, right, flips));
  ASSERT_EQ(all.size(), 18u);
  std::set<Pixels> seen;
  for (std::uint64_t key = 0; key < 400; ++key) seen.insert(image_of(*data, training(0, key)));
  EXPECT_EQ(seen, all);
}

TEST(Augmented, FollowsTheKeyAloneAndLeavesEvaluationsAsTheyAre) {
  const auto data = augmented(std::make_unique<Pictures>(), {.flip = true, .crop = 2});
  for (std::uint64_t key = 0; key < 20; ++key)
    EXPECT_EQ(image_of(*data, training(0, key)), image_of(*data, training(5, key)));
  EXPECT_EQ(image_of(*data, {.index = 3, .key = 9}), expected(0, 0, false));
  EXPECT_EQ(data->fingerprint(), Pictures().fingerprint());
}

TEST(Augmented, AMaskOfTheSameSizeMovesWithItsImageAndNothingElseMoves) {
  const auto data = augmented(std::make_unique<Pictures>(), {.flip = true, .crop = 1});
  for (std::uint64_t key = 0; key < 50; ++key) {
    const auto sample = read_fields(*data, training(4, key));
    const Pixels image = sample.as<std::uint8_t>("image");
    const Pixels mask = sample.as<std::uint8_t>("mask");
    for (std::size_t i = 0; i < mask.size(); ++i)
      EXPECT_EQ(mask[i], image[i] == 0 ? 0 : (image[i] - 1) % 2) << key;
    EXPECT_EQ(sample.as<float>("vector"), (std::vector<float>{7, 7, 7}));
    EXPECT_EQ(sample.as<std::int64_t>("target"), std::vector<std::int64_t>{4});
  }
}

class Vectors : public Dataset {
 public:
  std::int64_t size() const override { return 1; }
  SampleSpec spec() const override { return {DType::kFloat32, {16}, DType::kInt64, {}}; }
};

TEST(Augmented, RefusesWhatIsNoImageAndTargetsThatWouldStay) {
  expect_fault(ExitCode::kConfig, "the samples are input float32 [16], target int64 []",
               [] { augmented(std::make_unique<Vectors>(), {.flip = true}); });
  auto segmented = std::make_unique<Pictures>();
  segmented->target = {kHeight, kWidth};
  expect_fault(ExitCode::kConfig, "the target target of [4, 5] would stay",
               [&] { augmented(std::move(segmented), {.flip = true}); });
  expect_fault(ExitCode::kConfig, "data.augment.crop is 4, and images image are 4 x 5",
               [] { augmented(std::make_unique<Pictures>(), {.crop = 4}); });
}

TEST(Augmented, IsForTheTrainingPartOfAnyType) {
  DataOptions options;
  options.type = "synthetic";
  options.samples = 20;
  options.holdout_every = 5;
  options.input_shape = {1, 6, 6};
  options.augment.crop = 2;
  const auto train = testing::open_data(options);
  const auto valid = testing::open_data(options, DataPart::kValid);
  int moved = 0;
  for (std::uint64_t key = 0; key < 10; ++key) {
    const auto plain = read_fields(*train, 0).as<float>("input");
    moved += read_fields(*train, training(0, key)).as<float>("input") != plain ? 1 : 0;
    EXPECT_EQ(read_fields(*valid, training(0, key)).as<float>("input"),
              read_fields(*valid, 0).as<float>("input"));
  }
  EXPECT_GT(moved, 5);
}

}  // namespace
}  // namespace lockstep
