// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

namespace lockstep::bench {

// Times of both sides, taken in turns A B B A A B B A …, so that a drift of the machine meets both alike.
// finished_a() is called at the end of every turn of A; the turns of B are taken inside of it.
class Turns {
 public:
  Turns(int warm_up, int pairs, std::function<void()> b)
      : warm_up_(warm_up), pairs_(pairs), b_(std::move(b)) {}

  void finished_a();
  const std::vector<double>& a_ms() const { return a_ms_; }
  const std::vector<double>& b_ms() const { return b_ms_; }

 private:
  void take_b(bool counts);

  int warm_up_;
  int pairs_;
  std::function<void()> b_;
  int turn_ = 0;
  double resumed_ms_ = 0;
  std::vector<double> a_ms_;
  std::vector<double> b_ms_;
};

}  // namespace lockstep::bench
