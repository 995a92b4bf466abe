// SPDX-License-Identifier: Apache-2.0
#include "data/loader.h"

#include <fmt/format.h>

#include <utility>

#include "lockstep/base/error.h"
#include "lockstep/base/random.h"

namespace lockstep {
namespace {

// Keeps the keys of samples apart from those of other uses of the same seed.
constexpr std::uint64_t kSampleKey = 0x73616d706c65;

}  // namespace

Loader::Loader(const Dataset& dataset, const SampleOrder& order, const LoaderOptions& options)
    : dataset_(dataset), order_(order), options_(options), crew_(options.workers) {
  check(order.size == dataset.size(), "the sample order covers the dataset");
  check(
      options.first_micro_batch.value >= 0 && options.micro_batch_count >= 1 && options.micro_batch >= 1 &&
          (options.first_micro_batch.value + std::int64_t{options.micro_batch_count}) * options.micro_batch <=
              order.global_batch,
      "a rank's micro-batches lie inside the global batch");
  (void)order.steps_per_epoch();  // throws now, on the caller's thread, when there is none
  thread_ = std::thread([this] { prefetch(); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

const MicroBatches& Loader::batch_for(Step step) {
  check(step.value >= 1, "steps are numbered from 1");
  std::unique_lock lock(mutex_);
  // Whatever is being read now ends first: next_ belongs to the thread until then.
  changed_.wait(lock, [this] { return !reading_.has_value(); });
  if (ready_ != step) {
    // A seek: what was read ahead, or went wrong there, belongs to a step nobody asked for.
    error_ = nullptr;
    ready_.reset();
    reading_ = step;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !reading_.has_value(); });
  }
  ready_.reset();
  if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
  // The caller keeps current_ while the thread fills the other one.
  std::swap(current_, next_);
  if (step < options_.last_step) {
    reading_ = Step(step.value + 1);
    changed_.notify_all();
  }
  return current_;
}

void Loader::prefetch() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || reading_.has_value(); });
    if (stopping_) return;
    const Step step = *reading_;
    lock.unlock();
    std::exception_ptr error;
    try {
      read(step, next_);
    } catch (...) {
      // Not only Faults: check_unchanged() and spec() of a user's dataset may throw anything, and it belongs
      // on the training thread.
      error = std::current_exception();
    }
    lock.lock();
    error_ = error;
    ready_ = step;
    reading_.reset();
    changed_.notify_all();
  }
}

SampleContext Loader::context_of(Step step, std::int64_t position) const {
  SampleContext context{
      .index = order_.index_of(step, position), .epoch = order_.epoch_of(step), .is_training = true};
  context.key = mix_key({kSampleKey, order_.seed, static_cast<std::uint64_t>(context.epoch.value),
                         static_cast<std::uint64_t>(context.index)});
  return context;
}

void Loader::read(Step step, MicroBatches& into) {
  // Before the read, so that a truncated file is refused instead of faulting where its pages are gone.
  dataset_.check_unchanged();
  const BatchLayout layout = layout_of(dataset_);
  into.resize(static_cast<std::size_t>(options_.micro_batch_count));
  for (HostBatch& batch : into) batch.shape(layout, options_.micro_batch);
  const std::int64_t first = options_.first_micro_batch.value;
  crew_.run(options_.micro_batch_count * options_.micro_batch, [&](std::int64_t number) {
    const std::int64_t micro_batch = number / options_.micro_batch;
    try {
      into[static_cast<std::size_t>(micro_batch)].fill(
          number % options_.micro_batch, dataset_, context_of(step, first * options_.micro_batch + number));
    } catch (const DatasetFault& fault) {
      throw Fault(fault.code(),
                  fmt::format("step {}, micro-batch {}: {}", step.value, first + micro_batch, fault.fact()),
                  fault.remedy());
    }
  });
  for (HostBatch& batch : into) batch.finish(options_.ignore_label);
}

}  // namespace lockstep
