// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/watchdog.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include "comm/watch/beat.h"
#include "comm/watch/judge.h"
#include "comm/watch/leaving.h"
#include "comm/watch/limits.h"
#include "comm/watch/mailbox.h"
#include "comm/watch/peers.h"
#include "comm/watch/remarks.h"
#include "comm/watch/stacks.h"

namespace lockstep {
namespace {

using Time = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kTick{250};
// Views of one judgement are of different moments; what holds three times in a row holds.
constexpr int kSure = 3;
// As long as this thread was not running, nobody can be blamed.
constexpr std::chrono::milliseconds kNotRunning{1000};

std::shared_ptr<Watch> starting_watch() {
  auto watch = std::make_shared<Watch>();
  watch->enter(Phase::kStartUp);
  return watch;
}

}  // namespace

class Watchdog::Thread {
 public:
  explicit Thread(const WatchOptions& options) : limits_(options), peers_(0) {
    thread_ = std::thread([this] { run(); });
  }

  ~Thread() {
    say_goodbye();
    thread_.join();
  }

  void join(World& world) {
    {
      const std::lock_guard lock(joined_mutex_);
      joined_ = world.shared_watch();
    }
    auto met = std::make_shared<WatchPeers>(WatchPeers::meet(world));
    mailbox_.post([this, met, watch = world.shared_watch(), ranks = world.size().value] {
      peers_ = std::move(*met);
      peers_.pardon();
      remarks_.compare(ranks);
      watch_ = watch;
    });
  }

  void tell(WatchSink sink) {
    mailbox_.post([this, sink = std::move(sink)]() mutable { remarks_.tell(std::move(sink)); });
  }

  void leaving() {
    const std::lock_guard lock(joined_mutex_);
    joined_->enter(Phase::kLeaving);
  }

  void say_goodbye() noexcept try {
    mailbox_.close(std::chrono::milliseconds(200));
  } catch (const std::exception&) {
    // Without a goodbye the others leave at once, which is what they would do anyway.
  }

 private:
  void run() {
    // The signals of the process are for the thread that trains.
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    auto next = Time::now();
    auto before = Time::now();
    while (mailbox_.read()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Time::now());
      const WatchPeers::News news =
          peers_.wait(mailbox_.descriptor(), std::max(left, std::chrono::milliseconds(0)));
      if (Time::now() - before > kTick + kNotRunning) pardon();
      before = Time::now();
      hear(news);
      if (Time::now() < next) continue;
      next = Time::now() + kTick;
      tick();
    }
    peers_.send({WatchMessage::kGoodbye, peers_.rank(), ""});
    mailbox_.say_through();
  }

  void pardon() {
    watch_->pardon();
    peers_.pardon();
  }

  void hear(const WatchPeers::News& news) {
    if (news.leave) {
      LeaveCause cause = LeaveCause::decode(*news.leave);
      leave(peers_, cause, *watch_, remarks_.sink());
    }
    for (const Beat& beat : news.beats) remarks_.note_straggler(beat, peers_, *watch_);
    // All have come to the end when one has left: MPI_Finalize meets them.
    if (news.died.empty() || watch_->look().phase == Phase::kLeaving) return;
    LeaveCause cause;
    cause.hang = false;
    cause.culprits = news.died;
    for (const int rank : news.died)
      cause.text += fmt::format("{}rank {} ({}) is gone: its process ended without a word",
                                cause.text.empty() ? "" : "; ", rank, peers_.host_of(rank));
    leave(peers_, cause, *watch_, remarks_.sink());
  }

  void tick() {
    Beat mine = take_beat(peers_.rank(), *watch_, limits_);
    // Only asked where it matters: it reads a file for each thread.
    if (!mine.inside_call() && mine.in_phase > limits_.storage_word() / 2)
      mine.waits_for_disk = any_thread_waits_for_disk() ? 1 : 0;
    peers_.tell(mine);
    remarks_.note_straggler(mine, peers_, *watch_);
    std::vector<RankView> views = peers_.views(mine, limits_.silence());
    if (!peers_.is_root() && views.size() > 1 && !views[0].left) {
      // Rank 0 sees all of them and judges; here only whether there is a rank 0.
      views = {views[0]};
      views[0].beat.phase_limit = 1e9f;
      views[0].beat.call_limit = 1e9f;
    }
    const auto verdict = judge_ranks(views);
    doubts_ = verdict ? doubts_ + 1 : 0;
    if (doubts_ >= kSure)
      leave(peers_, {verdict->cause, true, verdict->silent, verdict->culprits}, *watch_, remarks_.sink());
    if (const auto slow = slow_storage(views, limits_.storage_word()); slow && peers_.is_root())
      remarks_.note_slow_storage(*slow);
  }

  PhaseLimits limits_;
  WatchPeers peers_;
  Remarks remarks_;
  std::shared_ptr<Watch> watch_ = starting_watch();  // the thread's
  std::mutex joined_mutex_;
  std::shared_ptr<Watch> joined_ = watch_;  // of the thread that trains
  int doubts_ = 0;                          // judgements in a row that were verdicts
  Mailbox mailbox_;
  std::thread thread_;
};

Watchdog::Watchdog(const WatchOptions& options) {
  prepare_stacks();
  thread_ = std::make_unique<Thread>(options);
}

Watchdog::~Watchdog() = default;

void Watchdog::join(World& world) {
  thread_->join(world);
}

void Watchdog::tell(WatchSink sink) {
  thread_->tell(std::move(sink));
}

void Watchdog::leaving() {
  thread_->leaving();
}

void Watchdog::say_goodbye() noexcept {
  thread_->say_goodbye();
}

}  // namespace lockstep
