// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "data/data_files.h"
#include "data/fields.h"
#include "data/loader.h"

namespace lockstep {
namespace {

using testing::expect_fault;
using testing::numbers_of;
using testing::read_fields;

// Sample i: i % 4 tokens that count up from i, two random numbers, and as label i.
class Sentences : public Dataset {
 public:
  std::int64_t size() const override { return 40; }
  std::vector<Field> fields() const override {
    return {{"tokens", DType::kInt64, {-1}}, {"noise", DType::kInt64, {2}}, {"label", label, {-1}}};
  }
  std::string target_field() const override { return "label"; }
  void sample(const SampleContext& context, Sample& into) const override {
    if (context.index == bad_index) throw std::runtime_error("a sample is bad");
    const std::int64_t length = context.index % 4;
    std::int64_t next = context.index;
    for (std::int64_t& token : into.values<std::int64_t>("tokens", length)) token = next++;
    if (!forgets) {
      KeyedGenerator generator = context.generator();
      for (std::int64_t& number : into.values<std::int64_t>("noise"))
        number = static_cast<std::int64_t>(generator.below(1000));
    }
    for (std::int64_t& one : into.values<std::int64_t>("label", length)) one = context.index;
    if (asks_for != nullptr) (void)into.bytes(asks_for);
  }

  DType label = DType::kInt64;
  std::int64_t bad_index = -1;
  bool forgets = false;
  const char* asks_for = nullptr;
};

using Numbers = std::vector<std::int64_t>;

TEST(NamedFields, ArePaddedToTheLongestOfTheirMicroBatchAndCounted) {
  const Sentences data;
  HostBatch batch;
  read_chunk(data, {4, 3, -100}, batch);
  ASSERT_EQ(batch.fields().size(), 5u);
  EXPECT_EQ(batch.fields()[0].field, (Field{"tokens", DType::kInt64, {2}}));
  EXPECT_EQ(numbers_of<std::int64_t>(batch, "tokens"), (Numbers{0, 0, 5, 0, 6, 7}));
  EXPECT_EQ(numbers_of<std::int64_t>(batch, "tokens_length"), (Numbers{0, 1, 2}));
  EXPECT_EQ(numbers_of<std::int64_t>(batch, "label"), (Numbers{-100, -100, 5, -100, 6, 6}));
  EXPECT_EQ(batch.target().field.name, "label");
  // The memory of the batch before is used again, not its values.
  read_chunk(data, {0, 1}, batch);
  EXPECT_EQ(batch.fields()[0].field.shape, Shape{0});
  EXPECT_EQ(numbers_of<std::int64_t>(batch, "tokens_length"), Numbers{0});
}

TEST(NamedFields, AMicroBatchIsTheSameBitsWhateverElseItsRankReads) {
  const Sentences data;
  const SampleOrder order{3, data.size(), 12, true};
  Loader all(data, order, {MicroBatchIndex(0), 4, 3, Step(9)});
  for (std::int64_t step = 1; step <= 6; ++step) {
    const MicroBatches& whole = all.batch_for(Step(step));
    for (int one = 0; one < 4; ++one) {
      Loader alone(data, order, {MicroBatchIndex(one), 1, 3, Step(9), std::nullopt, 1 + one});
      const HostBatch& own = alone.batch_for(Step(step)).front();
      const HostBatch& same = whole[static_cast<std::size_t>(one)];
      for (const char* name : {"tokens", "tokens_length", "noise", "label"})
        EXPECT_EQ(numbers_of<std::int64_t>(own, name), numbers_of<std::int64_t>(same, name)) << step << name;
    }
  }
}

TEST(NamedFields, SeveralWorkersReadTheSameBitsInTheSameOrder) {
  const Sentences data;
  const SampleOrder order{3, data.size(), 12, true};
  Loader one(data, order, {MicroBatchIndex(0), 4, 3, Step(9)});
  Loader four(data, order, {MicroBatchIndex(0), 4, 3, Step(9), std::nullopt, 4});
  for (std::int64_t step = 1; step <= 9; ++step) {
    const MicroBatches& expected = one.batch_for(Step(step));
    const MicroBatches& found = four.batch_for(Step(step));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(found[i].indices(), expected[i].indices());
      for (const char* name : {"tokens", "tokens_length", "noise", "label"})
        EXPECT_EQ(numbers_of<std::int64_t>(found[i], name), numbers_of<std::int64_t>(expected[i], name))
            << step;
    }
  }
}

TEST(NamedFields, RandomNumbersDifferBetweenEpochsAndSeedsAndAreKnownToEvaluations) {
  const Sentences data;
  const auto noise = [&](std::uint64_t seed, std::int64_t step) {
    Loader loader(data, {seed, data.size(), 40, false}, {MicroBatchIndex(0), 1, 40, Step(9)});
    return numbers_of<std::int64_t>(loader.batch_for(Step(step)).front(), "noise");
  };
  EXPECT_EQ(noise(1, 1), noise(1, 1));
  EXPECT_NE(noise(1, 1), noise(1, 2)) << "another epoch";
  EXPECT_NE(noise(1, 1), noise(2, 1)) << "another seed";
  HostBatch chunk, again;
  read_chunk(data, {3, 4}, chunk);
  read_chunk(data, {5, 1}, again);
  EXPECT_EQ(numbers_of<std::int64_t>(again, "noise")[0], numbers_of<std::int64_t>(chunk, "noise")[4]);
}

TEST(NamedFields, AnErrorOfAWorkerIsTheOneOfTheFirstBadSample) {
  Sentences data;
  data.bad_index = 17;
  for (const std::int64_t workers : {1, 4}) {
    Loader loader(data, {1, data.size(), 40, false},
                  {MicroBatchIndex(0), 4, 10, Step(1), std::nullopt, workers});
    expect_fault(ExitCode::kBug,
                 "step 1, micro-batch 1: the dataset threw reading sample 17 of 40: std::runtime_error: a "
                 "sample is bad",
                 [&] { loader.batch_for(Step(1)); });
    expect_fault(ExitCode::kBug, "sample 17", [&] { loader.batch_for(Step(1)); });
  }
}

TEST(NamedFields, ADatasetThatForgetsOneOrAsksForAnotherIsTold) {
  Sentences data;
  data.forgets = true;
  expect_fault(ExitCode::kBug, "it writes no noise, one of its fields()", [&] { read_fields(data, 1); });
  data.forgets = false;
  data.asks_for = "nose";
  expect_fault(ExitCode::kBug, "there is no nose among its fields()", [&] { read_fields(data, 1); });
  data.asks_for = "tokens";
  expect_fault(ExitCode::kBug, "tokens varies: bytes() and values() need its length",
               [&] { read_fields(data, 1); });
  data.asks_for = nullptr;
  data.label = DType::kFloat32;
  expect_fault(ExitCode::kBug, "field label is float32 of 4 bytes, and is written as values of 8",
               [&] { read_fields(data, 1); });
}

class Odd : public Dataset {
 public:
  explicit Odd(std::vector<Field> fields) : fields_(std::move(fields)) {}
  std::int64_t size() const override { return 1; }
  std::vector<Field> fields() const override { return fields_; }

 private:
  std::vector<Field> fields_;
};

TEST(NamedFields, FieldsThatMakeNoBatchAreRefused) {
  const auto refused = [](std::vector<Field> fields, const std::string& text) {
    expect_fault(ExitCode::kBug, text, [&] { layout_of(Odd(fields)); });
  };
  refused({{"x", DType::kFloat32, {2}}}, "there is no target, its target_field()");
  refused({{"x", DType::kFloat32, {2}}, {"x", DType::kFloat32, {2}}}, "there are two named x");
  refused({{"x", DType::kFloat32, {-1}}, {"x_length", DType::kInt64, {}}}, "there are two named x_length");
  refused({{"x", DType::kFloat32, {2, -1}}}, "only the first dimension may be -1");
  refused({{"", DType::kFloat32, {2}}}, "one has no name");
  expect_fault(ExitCode::kBug, "the dataset has no sample()", [] {
    read_fields(Odd({{"input", DType::kFloat32, {2}}, {"target", DType::kInt64, {}}}), 0);
  });
}

// A dataset of an input and a target, as all were before fields had names.
class Pair : public Dataset {
 public:
  std::int64_t size() const override { return 3; }
  SampleSpec spec() const override { return {DType::kFloat32, {2}, DType::kInt64, {}}; }
  void sample(std::int64_t, std::span<std::byte>, std::span<std::byte>) const override {}
};

TEST(NamedFields, APairIsInputAndTargetAndHasTheFingerprintItAlwaysHad) {
  EXPECT_EQ(Pair().fields(),
            (std::vector<Field>{{"input", DType::kFloat32, {2}}, {"target", DType::kInt64, {}}}));
  EXPECT_EQ(Pair().fingerprint().hex(), "63c8d1f230a061e8098f27b85fa15d60");
}

}  // namespace
}  // namespace lockstep
