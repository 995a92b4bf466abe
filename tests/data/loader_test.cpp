// SPDX-License-Identifier: Apache-2.0
#include "data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>

#include "data/data_files.h"

namespace lockstep {
namespace {

using testing::expect_fault;

// Input: the index, twice; target: its square. Counts reads and fails where told to.
class Numbers : public Dataset {
 public:
  explicit Numbers(std::int64_t size) : size_(size) {}
  std::int64_t size() const override { return size_; }
  SampleSpec spec() const override { return {DType::kInt64, {2}, DType::kInt64, {}}; }
  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    if (index == bad_index.load()) throw Fault(ExitCode::kInputMissing, "sample is bad", "none");
    const std::int64_t values[3] = {index, index, index * index};
    std::memcpy(input.data(), values, 16);
    std::memcpy(target.data(), values + 2, 8);
    ++reads;
  }
  void check_unchanged() const override { ++checks; }

  std::atomic<std::int64_t> bad_index{-1};
  mutable std::atomic<int> reads{0};
  mutable std::atomic<int> checks{0};

 private:
  std::int64_t size_;
};

const std::int64_t* numbers_in(const HostBatch& batch, std::size_t field) {
  const auto bytes = batch.fields().at(field).bytes.span();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % 64, 0u);
  return reinterpret_cast<const std::int64_t*>(bytes.data());
}

std::vector<std::int64_t> indices_in(const HostBatch& batch) {
  std::vector<std::int64_t> indices;
  const auto* inputs = numbers_in(batch, 0);
  const auto* targets = numbers_in(batch, 1);
  for (std::int64_t i = 0; i < batch.samples(); ++i) {
    EXPECT_EQ(inputs[2 * i], inputs[2 * i + 1]);
    EXPECT_EQ(targets[i], inputs[2 * i] * inputs[2 * i]);
    indices.push_back(inputs[2 * i]);
  }
  return indices;
}

std::vector<std::int64_t> indices_in(const MicroBatches& batches) {
  std::vector<std::int64_t> indices;
  for (const HostBatch& batch : batches)
    for (const std::int64_t index : indices_in(batch)) indices.push_back(index);
  return indices;
}

std::vector<std::int64_t> direct(const SampleOrder& order, const LoaderOptions& options, std::int64_t step) {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < options.micro_batch_count * options.micro_batch; ++i)
    indices.push_back(order.index_of(Step(step), options.first_micro_batch.value * options.micro_batch + i));
  return indices;
}

TEST(Loader, EqualsDirectIndexingOverEpochs) {
  const Numbers dataset(50);
  const SampleOrder order{1, 50, 12, true};
  const LoaderOptions options{MicroBatchIndex(1), 2, 4, Step(20)};
  Loader loader(dataset, order, options);
  for (std::int64_t step = 1; step <= 20; ++step) {
    const MicroBatches& batches = loader.batch_for(Step(step));
    ASSERT_EQ(batches.size(), 2u);
    ASSERT_EQ(batches[0].samples(), 4);
    EXPECT_EQ(indices_in(batches), direct(order, options, step));
  }
  EXPECT_EQ(dataset.reads.load(), 160);  // nothing read twice, nothing past the last step
  EXPECT_EQ(dataset.checks.load(), 20);
}

TEST(Loader, AnyStepMayBeAskedFor) {
  const Numbers dataset(50);
  const SampleOrder order{1, 50, 12, true};
  const LoaderOptions options{MicroBatchIndex(0), 3, 4, Step(1000)};
  Loader loader(dataset, order, options);
  for (const std::int64_t step : {900, 901, 3, 3, 4, 1000, 1000, 1001, 1})
    EXPECT_EQ(indices_in(loader.batch_for(Step(step))), direct(order, options, step)) << step;
}

TEST(Loader, RanksTogetherReadExactlyTheGlobalBatch) {
  const Numbers dataset(100);
  constexpr int kMicroBatches = 12;
  const SampleOrder order{5, 100, kMicroBatches * 3, true};
  for (const int world : {1, 2, 3, 4, 5}) {
    for (const std::int64_t step : {1, 2, 7}) {
      std::vector<std::int64_t> all;
      int first = 0;
      for (int rank = 0; rank < world; ++rank) {
        const int count = kMicroBatches / world + (rank < kMicroBatches % world ? 1 : 0);
        Loader loader(dataset, order, {MicroBatchIndex(first), count, 3, Step(10)});
        for (const std::int64_t index : indices_in(loader.batch_for(Step(step)))) all.push_back(index);
        first += count;
      }
      EXPECT_EQ(all, direct(order, {MicroBatchIndex(0), kMicroBatches, 3, Step(10)}, step)) << world;
    }
  }
}

TEST(Loader, FaultOfTheThreadComesOutAtItsStepAndTheLoaderGoesOn) {
  Numbers dataset(40);
  const SampleOrder order{1, 40, 10, false};
  dataset.bad_index = 25;  // of step 3
  Loader loader(dataset, order, {MicroBatchIndex(0), 1, 10, Step(8)});
  loader.batch_for(Step(1));
  loader.batch_for(Step(2));
  expect_fault(ExitCode::kInputMissing, "sample is bad", [&] { loader.batch_for(Step(3)); });
  expect_fault(ExitCode::kInputMissing, "sample is bad", [&] { loader.batch_for(Step(3)); });
  dataset.bad_index = -1;
  EXPECT_EQ(indices_in(loader.batch_for(Step(3)))[0], 20);
  EXPECT_EQ(indices_in(loader.batch_for(Step(4)))[0], 30);
}

TEST(Loader, FaultReadAheadIsForgottenWhenAnotherStepIsAsked) {
  Numbers dataset(40);
  dataset.bad_index = 15;  // of step 2
  const SampleOrder order{1, 40, 10, false};
  Loader loader(dataset, order, {MicroBatchIndex(0), 1, 10, Step(8)});
  loader.batch_for(Step(1));
  EXPECT_EQ(indices_in(loader.batch_for(Step(4)))[0], 30);
}

TEST(Loader, FileThatChangedIsRefusedAtTheNextReadStep) {
  const testing::TempDir dir;
  testing::write_file(dir / "t", testing::counting(101));
  DataOptions options;
  options.type = "text";
  options.train.paths = {dir / "t"};
  options.context = 4;
  const auto dataset = testing::open_data(options);
  // Nothing is read ahead after step 1, so the change cannot race with a read.
  Loader loader(*dataset, {1, dataset->size(), 5, true}, {MicroBatchIndex(0), 1, 5, Step(1)});
  loader.batch_for(Step(1));
  testing::write_file(dir / "t", "cut");
  expect_fault(ExitCode::kInputMissing, "t: changed since the run began: 101 bytes then, 3 now",
               [&] { loader.batch_for(Step(2)); });
}

TEST(Loader, CanBeDroppedWhileItReadsOrUnused) {
  const Numbers dataset(1000);
  const SampleOrder order{1, 1000, 500, true};
  { const Loader unused(dataset, order, {MicroBatchIndex(0), 1, 500, Step(8)}); }
  Loader loader(dataset, order, {MicroBatchIndex(0), 1, 500, Step(8)});
  EXPECT_EQ(loader.batch_for(Step(1)).at(0).samples(), 500);
}

TEST(Loader, RefusesWhatDoesNotFit) {
  const Numbers dataset(40);
  const SampleOrder order{1, 40, 10, true};
  EXPECT_THROW(Loader(dataset, order, {MicroBatchIndex(2), 1, 5, Step(1)}), Bug);
  EXPECT_THROW(Loader(dataset, {1, 39, 10, true}, {MicroBatchIndex(0), 1, 5, Step(1)}), Bug);
  expect_fault(ExitCode::kConfig, "fewer than train.global_batch", [&] {
    Loader(dataset, {1, 40, 41, true}, {MicroBatchIndex(0), 1, 41, Step(1)});
  });
}

TEST(ReadChunk, FillsInFileOrder) {
  const Numbers dataset(7);
  HostBatch batch;
  read_chunk(dataset, {4, 3}, batch);
  EXPECT_EQ(indices_in(batch), (std::vector<std::int64_t>{4, 5, 6}));
  read_chunk(dataset, {0, 2}, batch);
  EXPECT_EQ(indices_in(batch), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(batch.fields().at(0).bytes.span().size(), 32u);
  EXPECT_THROW(read_chunk(dataset, {5, 3}, batch), Bug);
}

}  // namespace
}  // namespace lockstep
