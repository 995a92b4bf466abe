// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "data/host_batch.h"
#include "data/micro_batches.h"
#include "data/reading_crew.h"
#include "data/sample_order.h"
#include "lockstep/base/units.h"

namespace lockstep {

// This rank's contiguous run of micro-batches, and where prefetching ends.
struct LoaderOptions {
  MicroBatchIndex first_micro_batch;
  int micro_batch_count = 1;
  std::int64_t micro_batch = 1;  // samples
  Step last_step;
  std::optional<std::int64_t> ignore_label = {};  // what pads targets that vary
  std::int64_t workers = 1;                       // threads that read samples
};

// Hands out the samples of one rank, step by step, read one step ahead by threads of its own: one that is
// asked, and data.workers - 1 that help it.
class Loader {
 public:
  // `dataset` must outlive the loader; its sample() is called from the threads. Throws Fault (78) when an
  // epoch has no step, Bug when the run of micro-batches passes the global batch.
  Loader(const Dataset& dataset, const SampleOrder& order, const LoaderOptions& options);
  ~Loader();  // joins; waits for a step being read
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Local. All micro-batches of this rank for `step` (any step >= 1; the next one is ready, others are read
  // now), in order; valid until the next call.
  // Rethrows what the thread met for this step, such as Fault (66) for a file that changed; the call may be
  // repeated. One caller at a time.
  const MicroBatches& batch_for(Step step);

 private:
  // The thread: waits for reading_, fills next_, says so in ready_ or error_.
  void prefetch();
  // Throws what the dataset throws.
  void read(Step step, MicroBatches& into);
  SampleContext context_of(Step step, std::int64_t position) const;

  const Dataset& dataset_;
  const SampleOrder order_;
  const LoaderOptions options_;
  ReadingCrew crew_;
  MicroBatches current_;  // the caller's
  MicroBatches next_;     // the thread's while reading_ is set, the caller's otherwise

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Step> reading_;  // asked for, not done
  std::optional<Step> ready_;    // lies in next_, or failed with error_
  std::exception_ptr error_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lockstep
