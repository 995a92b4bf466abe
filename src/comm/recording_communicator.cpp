// SPDX-License-Identifier: Apache-2.0
#include "comm/recording_communicator.h"

#include <utility>

namespace lockstep {
namespace {

class Recorded {
 public:
  Recorded(Watch& watch, const char* name, std::uint64_t bytes) : watch_(watch) {
    watch_.collective_begins(name, bytes);
  }
  ~Recorded() { watch_.collective_ends(); }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;

 private:
  Watch& watch_;
};

class RecordingCommunicator : public Communicator {
 public:
  RecordingCommunicator(std::unique_ptr<Communicator> inner, Watch& watch)
      : inner_(std::move(inner)), watch_(watch) {}

  Rank rank() const override { return inner_->rank(); }
  WorldSize size() const override { return inner_->size(); }
  std::string_view backend() const override { return inner_->backend(); }

  void all_reduce(ConstSpan send, MutableSpan receive, ReduceOp op) override {
    const Recorded call(watch_, "all_reduce", send.bytes());
    inner_->all_reduce(send, receive, op);
  }
  void reduce_scatter(ConstSpan send, MutableSpan receive, ReduceOp op) override {
    const Recorded call(watch_, "reduce_scatter", send.bytes());
    inner_->reduce_scatter(send, receive, op);
  }
  void all_gather(ConstSpan send, MutableSpan receive) override {
    const Recorded call(watch_, "all_gather", receive.bytes());
    inner_->all_gather(send, receive);
  }
  void broadcast(MutableSpan data, Rank root) override {
    const Recorded call(watch_, "broadcast", data.bytes());
    inner_->broadcast(data, root);
  }
  void exchange(std::span<const Outgoing> sends, std::span<const Incoming> receives) override {
    std::uint64_t bytes = 0;
    for (const Outgoing& message : sends) bytes += message.data.bytes();
    for (const Incoming& message : receives) bytes += message.data.bytes();
    const Recorded call(watch_, "exchange", bytes);
    inner_->exchange(sends, receives);
  }
  void barrier() override {
    const Recorded call(watch_, "barrier", 0);
    inner_->barrier();
  }
  std::shared_ptr<const void> register_memory(MutableSpan memory) override {
    return inner_->register_memory(memory);
  }
  void synchronize() override {
    const Recorded call(watch_, "synchronize", 0);
    inner_->synchronize();
  }
  void abort() noexcept override { inner_->abort(); }

 private:
  std::unique_ptr<Communicator> inner_;
  Watch& watch_;
};

}  // namespace

std::unique_ptr<Communicator> record_calls(std::unique_ptr<Communicator> inner, Watch& watch) {
  if (inner == nullptr) return nullptr;
  return std::make_unique<RecordingCommunicator>(std::move(inner), watch);
}

}  // namespace lockstep
