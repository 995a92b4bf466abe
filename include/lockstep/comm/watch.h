// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <thread>

namespace lockstep {

// What the training thread is doing, coarse enough that each part has a usual length.
enum class Phase : int {
  kStartUp,     // everything before the first step
  kData,        // waiting for the next batch
  kCompute,     // forward and backward
  kExchange,    // this rank's own share of a reduction
  kOptimizer,   // the update
  kEvaluation,  //
  kSave,        // waiting for a checkpoint, and so for the disk
  kJournal,     // waiting for a line of a log, and so for the disk
  kBetween,     // none of these: the loop itself
  kLeaving,     // the end of the job
};
inline constexpr int kPhases = 10;

std::string_view name_of(Phase phase);
// Is the disk what this phase waits for?
bool is_storage(Phase phase);

// One collective, as this rank called it.
struct CollectiveCall {
  std::int64_t sequence = 0;  // of all calls through the world's communicators; 0: none yet
  const char* name = "";      // a literal
  std::uint64_t bytes = 0;
  std::int64_t began_ns = 0;  // of the monotonic clock
  std::int64_t ended_ns = 0;  // 0: it has not returned
};

// Is told what the training thread has done, by that thread; of collectives that overlap with its work, by
// the one that makes them.
class WatchObserver {
 public:
  virtual ~WatchObserver() = default;
  virtual void phase_ended(Phase phase, std::int64_t began_ns, std::int64_t ended_ns) = 0;
  virtual void collective_ended(const CollectiveCall& call) = 0;
};

// What one rank is doing, for a watchdog that asks from another thread: the phase and since when, and the
// last collectives. Written by the thread that trains, a few atomic stores a call, whether anybody watches or
// not; collectives also by another, one thread at a time. Local.
class Watch {
 public:
  static constexpr std::size_t kRing = 32;
  static constexpr int kBlock = 50;  // steps

  // From now on `phase`. Returns the one before. Training thread.
  Phase enter(Phase phase);

  // From now on collectives are `thread`'s alone, a default-made id: anybody's. From any other they are a
  // Bug: ranks would not call them in one order.
  void reserve_collectives(std::thread::id thread) { reserved_.store(thread, std::memory_order_release); }

  // The two ends of a call; its name is a literal. The thread that makes it.
  void collective_begins(const char* name, std::uint64_t bytes);
  void collective_ends();

  // One step's own work before the exchange, of one micro-batch (ranks have different numbers of them).
  // Training thread.
  void worked(double seconds);

  // From now on `observer`, which outlives that, is told; null: nobody. Training thread.
  void observe(WatchObserver* observer) { observer_ = observer; }

  // Nanoseconds in each phase that has ended, all together. Training thread.
  std::array<std::int64_t, kPhases> spent() const { return spent_; }

  // The slowest rank's share of the median, by the newest block of steps; 0: none is a straggler. What rank
  // 0's watchdog found; from any thread.
  void set_straggler(double ratio) { straggler_.store(ratio, std::memory_order_relaxed); }
  double straggler() const { return straggler_.load(std::memory_order_relaxed); }

  // What is seen from any thread. Values of one moment may be mixed with those of the next.
  struct Glimpse {
    Phase phase = Phase::kStartUp;
    std::int64_t since_ns = 0;    // when this phase began, or the last collective in it ended
    std::int64_t longest_ns = 0;  // of this phase so far; 0: it has not ended yet
    CollectiveCall newest;
    std::int64_t longest_call_ns = 0;
    std::int64_t block = 0;  // of kBlock steps: how many are complete …
    double block_s = 0;      // … and the median of worked() in the newest
  };
  Glimpse look() const;
  // The last calls, oldest first.
  std::array<CollectiveCall, kRing> ring() const;

  // Whatever was under way begins now: the process was not running (a debugger, a suspended job).
  void pardon();

 private:
  struct Slot {
    std::atomic<std::int64_t> sequence{0};
    std::atomic<const char*> name{""};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::int64_t> began{0};
    std::atomic<std::int64_t> ended{0};
  };
  CollectiveCall read(const Slot& slot) const;

  std::atomic<Phase> phase_{Phase::kStartUp};
  std::atomic<std::int64_t> since_{0};
  std::array<std::atomic<std::int64_t>, kPhases> longest_{};
  std::atomic<std::int64_t> longest_call_{0};
  std::atomic<std::int64_t> sequence_{0};
  std::atomic<std::thread::id> reserved_{};
  std::array<Slot, kRing> slots_;
  std::atomic<std::int64_t> block_{0};
  std::atomic<double> block_s_{0};
  std::array<double, kBlock> works_{};
  int work_count_ = 0;
  std::int64_t entered_ = 0;  // the present phase; since_ begins anew within it
  std::array<std::int64_t, kPhases> spent_{};
  std::atomic<double> straggler_{0};
  WatchObserver* observer_ = nullptr;
};

// `phase` while it lives, then what was before.
class PhaseScope {
 public:
  PhaseScope(Watch& watch, Phase phase) : watch_(watch), before_(watch.enter(phase)) {}
  ~PhaseScope() { watch_.enter(before_); }
  PhaseScope(const PhaseScope&) = delete;
  PhaseScope& operator=(const PhaseScope&) = delete;

 private:
  Watch& watch_;
  Phase before_;
};

}  // namespace lockstep
