// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <signal.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "parallel/carrier.h"
#include "tensors/in_parallel.h"

namespace lockstep {
namespace {

class ThreadCarrier : public Carrier {
 public:
  explicit ThreadCarrier(std::shared_ptr<Watch> watch) : watch_(std::move(watch)) {
    // Inherited: a signal that comes before the thread could block it is not its either.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    thread_ = std::thread([this] { run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  ~ThreadCarrier() override {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void carry(std::function<void()> work) override {
    watch_->reserve_collectives(thread_.get_id());
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(work));
    }
    changed_.notify_all();
  }

  void wait() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return queue_.empty(); });
    watch_->reserve_collectives({});
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  void run() {
    compute_alone();
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return ends_ || !queue_.empty(); });
      if (ends_) return;
      const std::function<void()> work = std::move(queue_.front());
      if (!thrown_) {
        lock.unlock();
        std::exception_ptr thrown = outcome_of(work);
        lock.lock();
        thrown_ = std::move(thrown);
      }
      queue_.pop_front();  // only now: an empty queue is one that is done
      changed_.notify_all();
    }
  }

  static std::exception_ptr outcome_of(const std::function<void()>& work) {
    try {
      work();
    } catch (...) {
      return std::current_exception();
    }
    return nullptr;
  }

  std::shared_ptr<Watch> watch_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::exception_ptr thrown_;
  bool ends_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<Carrier> make_thread_carrier(std::shared_ptr<Watch> watch) {
  return std::make_unique<ThreadCarrier>(std::move(watch));
}

}  // namespace lockstep
