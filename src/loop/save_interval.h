// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "lockstep/base/clock.h"
#include "lockstep/base/units.h"
#include "shelf/options.h"

namespace lockstep {

// When the next save is due by its number or by the clock. The clock of rank 0 counts, from the beginning of
// the last save, or from where this life began with the state of one. An interval that nobody asked for (the
// default) is stretched where saves, by their own measure, would take more than their share of the time.
// Local.
class SaveInterval {
 public:
  SaveInterval(const CheckpointOptions& options, const Clock& clock);

  bool due_at(Step step) const;
  bool due_now() const;

  // A save begins, or this life does.
  void begin() { begun_ = clock_->monotonic(); }
  // How long the last save took from begin to end.
  void took(std::chrono::duration<double> save) { last_save_ = save; }

  // For people: "every 50 minutes", and why.
  std::string text() const;
  std::string why() const;

 private:
  bool by_clock() const { return every_minutes_ > 0; }
  bool stretched() const;
  std::chrono::duration<double> interval() const;

  std::int64_t every_steps_;
  double every_minutes_;
  double time_share_;
  const Clock* clock_;
  std::chrono::nanoseconds begun_;
  std::chrono::duration<double> last_save_{0};
};

}  // namespace lockstep
