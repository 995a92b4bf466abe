// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/line_writer.h"
#include "lockstep/base/clock.h"
#include "lockstep/base/disk.h"
#include "lockstep/base/units.h"

namespace lockstep {

// One line of metrics.jsonl.
struct StepRecord {
  Step step{0};
  Epoch epoch{0};
  double loss = 0;
  double lr = 0;
  double grad_norm = 0;
  double samples_per_s = 0;
  std::map<std::string, double> metrics;        // valid_loss, …: where the step was evaluated
  std::map<std::string, double> train_metrics;  // train_accuracy, …: where the model was asked for them
  std::map<std::string, double> seconds;        // by phase, of one step: the mean since the line before
  double straggler_ratio = 0;                   // of the slowest rank to the median; 0: there is no straggler
};

// metrics.jsonl and events.jsonl of a run directory: one line a record, only ever appended to, over all
// attempts. Readers keep the last attempt's line of a step and skip what does not parse. Only rank 0 has one.
// A thread writes the lines in their order, so that a disk that does not answer does not stop the training;
// what it failed at comes back as a Fault (74) from whatever is called next. Copies write through one thread.
// Local; safe from several threads.
class Journal {
 public:
  // Ends a torn last line of a killed life. Throws Fault (74).
  Journal(Disk& disk, const Clock& clock, const std::string& run_directory, Attempt attempt);

  // Also writes TensorBoard's event file of this attempt, in tb/. Before it is copied; throws Fault (74).
  void write_tensorboard();
  // The next record() is of `first` or later, and what is told of those steps already is superseded. Throws
  // Fault (74).
  void begin(Step first);

  // Throw Fault (74). No line is ever dropped: where very many wait, the caller does too.
  void record(const StepRecord& record);
  void event(const std::string& name, const std::map<std::string, std::string>& fields);
  // Returns when all that was said before is in the files. Throws Fault (74).
  void flush();
  // The same for that long at most, on the way out; never throws.
  void flush_for(std::chrono::milliseconds limit);

 private:
  double unix_time() const;
  void end_torn_line(const std::string& path);

  Disk* disk_;
  const Clock* clock_;
  std::string metrics_;
  std::string events_;
  std::string tensorboard_;  // empty: not asked for
  Step told_{0};             // the last in it
  Attempt attempt_;
  std::shared_ptr<LineWriter> writer_;
};

// A number as JSON that reads back equal; null for NaN and infinities, which JSON does not have.
std::string json_number(double value);

}  // namespace lockstep
