// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/watchdog.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "comm/watch/beat.h"
#include "comm/watch/judge.h"
#include "comm/watch/leaving.h"
#include "comm/watch/limits.h"
#include "comm/watch/peers.h"
#include "comm/watch/stacks.h"
#include "comm/watch/stragglers.h"
#include "lockstep/base/log.h"

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
  explicit Thread(const WatchOptions& options)
      : limits_(options), peers_(0), stragglers_(1), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    thread_ = std::thread([this] { run(); });
  }

  ~Thread() {
    say_goodbye();
    thread_.join();
  }

  void join(World& world) {
    {
      const std::lock_guard lock(mutex_);
      joined_ = world.shared_watch();
    }
    auto met = std::make_shared<WatchPeers>(WatchPeers::meet(world));
    post([this, met, watch = world.shared_watch(), ranks = world.size().value] {
      peers_ = std::move(*met);
      peers_.pardon();
      stragglers_ = Stragglers(ranks);
      watch_ = watch;
    });
  }

  void tell(WatchSink sink) {
    post([this, sink = std::move(sink)]() mutable { sink_ = std::move(sink); });
  }

  void leaving() {
    const std::lock_guard lock(mutex_);
    joined_->enter(Phase::kLeaving);
  }

  void say_goodbye() noexcept try {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    wake();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(200), [this] { return ended_; });
  } catch (const std::exception&) {
    // Without a goodbye the others leave at once, which is what they would do anyway.
  }

 private:
  void post(std::function<void()> change) {
    {
      const std::lock_guard lock(mutex_);
      changes_.push_back(std::move(change));
    }
    wake();
  }

  void wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  }

  // False at the end.
  bool take_changes() {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
    std::vector<std::function<void()>> changes;
    bool ending = false;
    {
      const std::lock_guard lock(mutex_);
      changes.swap(changes_);
      ending = ending_;
    }
    for (const auto& change : changes) change();
    return !ending;
  }

  void run() {
    // The signals of the process are for the thread that trains.
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    auto next = Time::now();
    auto before = Time::now();
    while (take_changes()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Time::now());
      const WatchPeers::News news = peers_.wait(wake_.get(), std::max(left, std::chrono::milliseconds(0)));
      if (Time::now() - before > kTick + kNotRunning) pardon();
      before = Time::now();
      hear(news);
      if (Time::now() < next) continue;
      next = Time::now() + kTick;
      tick();
    }
    peers_.send({WatchMessage::kGoodbye, peers_.rank(), ""});
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  void pardon() {
    watch_->pardon();
    peers_.pardon();
  }

  void hear(const WatchPeers::News& news) {
    if (news.leave) {
      LeaveCause cause = LeaveCause::decode(*news.leave);
      leave(peers_, cause, *watch_, sink_);
    }
    for (const Beat& beat : news.beats) note_straggler(beat);
    // All have come to the end when one has left: MPI_Finalize meets them.
    if (news.died.empty() || watch_->look().phase == Phase::kLeaving) return;
    LeaveCause cause;
    cause.hang = false;
    cause.culprits = news.died;
    for (const int rank : news.died)
      cause.text += fmt::format("{}rank {} ({}) is gone: its process ended without a word",
                                cause.text.empty() ? "" : "; ", rank, peers_.host_of(rank));
    leave(peers_, cause, *watch_, sink_);
  }

  void tick() {
    Beat mine = take_beat(peers_.rank(), *watch_, limits_);
    // Only asked where it matters: it reads a file for each thread.
    if (!mine.inside_call() && mine.in_phase > limits_.storage_word() / 2)
      mine.waits_for_disk = any_thread_waits_for_disk() ? 1 : 0;
    peers_.tell(mine);
    note_straggler(mine);
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
      leave(peers_, {verdict->cause, true, verdict->silent, verdict->culprits}, *watch_, sink_);
    if (const auto slow = slow_storage(views, limits_.storage_word()); slow && peers_.is_root())
      say_slow(*slow);
  }

  void note_straggler(const Beat& beat) {
    if (!peers_.is_root()) return;
    const std::int64_t judged = stragglers_.judged();
    const auto straggler = stragglers_.note(beat);
    if (stragglers_.judged() != judged) watch_->set_straggler(straggler ? straggler->ratio : 0);
    // Once for each rank that becomes one.
    if (!straggler || straggler->rank == named_straggler_) return;
    named_straggler_ = straggler->rank;
    say("straggler",
        fmt::format("rank {} ({}) needs {:.2f} times as long as the median rank before the exchange",
                    straggler->rank, peers_.host_of(straggler->rank), straggler->ratio),
        {{"rank", std::to_string(straggler->rank)},
         {"host", peers_.host_of(straggler->rank)},
         {"ratio", fmt::format("{:.3f}", straggler->ratio)},
         {"seconds_per_micro_batch", fmt::format("{:.6f}", straggler->seconds)},
         {"steps", std::to_string(Watch::kBlock)}});
  }

  void say_slow(const RankView& view) {
    const double since = view.beat.in_phase;
    if (since < 2 * storage_said_ && since > storage_said_) return;
    storage_said_ = since;
    say("storage_slow", describe(view) + ": it waits for the disk, which is no hang",
        {{"rank", std::to_string(view.rank)},
         {"host", view.host},
         {"phase", std::string(name_of(view.beat.phase))},
         {"seconds", fmt::format("{:.1f}", since)}});
  }

  // On a thread of its own: the disk that a log lies on may be the one that does not answer.
  void say(std::string event, std::string text, std::map<std::string, std::string> fields) const {
    std::thread([sink = sink_, event = std::move(event), text = std::move(text), fields = std::move(fields)] {
      log_warning("{}", text);
      if (sink) sink(event, fields);
    }).detach();
  }

  PhaseLimits limits_;
  WatchPeers peers_;
  Stragglers stragglers_;
  std::shared_ptr<Watch> watch_ = starting_watch();  // the thread's
  std::shared_ptr<Watch> joined_ = watch_;           // of the thread that trains
  WatchSink sink_;
  int named_straggler_ = -1;
  double storage_said_ = 0;
  int doubts_ = 0;  // judgements in a row that were verdicts

  Descriptor wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> changes_;
  bool ending_ = false;
  bool ended_ = false;
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
