// SPDX-License-Identifier: Apache-2.0
// Lockstep's side of tests/bench/checkpoint, and the limits of the machine: reads one case a line and answers
// with one line of JSON, the milliseconds of its parts. Whatever must not be counted is done before.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/aligned_block.h"
#include "base/descriptor.h"
#include "checkpoint/reader.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "shelf/store.h"

namespace lockstep::bench {
namespace {

namespace fs = std::filesystem;
using Times = std::map<std::string, double>;

double ms_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// Tensors in one arena, as TrainingState has them: large ones start on a page.
class State {
 public:
  void add(TensorKey key, Shape shape) {
    const std::size_t bytes = static_cast<std::size_t>(element_count(shape)) * 4;
    const std::size_t step = bytes >= 65'536 ? kDirectAlignment : 64;
    at_ = (at_ + step - 1) / step * step;
    places_.push_back({{std::move(key), DType::kFloat32, std::move(shape)}, {}});
    offsets_.push_back(at_);
    at_ += bytes;
  }
  void fill() {
    memory_.emplace_back(at_);
    for (std::size_t i = 0; i + 8 <= at_; i += 8) {
      const std::uint64_t value = i * 0x9E3779B97F4A7C15ull >> 2;
      std::memcpy(memory_.back().bytes().data() + i, &value, 8);
    }
    for (std::size_t i = 0; i < places_.size(); ++i)
      places_[i].bytes = memory_.back().bytes().subspan(
          offsets_[i], static_cast<std::size_t>(element_count(places_[i].shape)) * 4);
  }

  std::span<std::byte> memory() { return memory_.back().bytes(); }
  const std::vector<MutableStateTensor>& places() const { return places_; }
  std::vector<StateTensor> tensors() const {
    std::vector<StateTensor> out;
    for (const auto& place : places_) out.push_back({place, place.bytes});
    return out;
  }

 private:
  std::vector<MutableStateTensor> places_;
  std::vector<std::size_t> offsets_;
  std::size_t at_ = 0;
  std::deque<AlignedBlock> memory_;
};

// The model of the peers: square layers with AdamW's two slots.
State large_state(int layers, std::int64_t width) {
  State state;
  for (const char* slot : {"", "exp_avg", "exp_avg_sq"})
    for (int i = 0; i < layers; ++i) {
      state.add({slot, std::to_string(2 * i) + ".weight"}, {width, width});
      state.add({slot, std::to_string(2 * i) + ".bias"}, {width});
    }
  state.add({"step", "all_parameters"}, {});
  state.fill();
  return state;
}

State small_state(int tensors) {
  State state;
  for (int i = 0; i < tensors; ++i) state.add({"", "t" + std::to_string(10'000 + i)}, {1024});
  state.fill();
  return state;
}

// Saves and restores of one state, in a folder of its own.
class Saved {
 public:
  Saved(State state, std::string folder, CheckpointOptions options)
      : state_(std::move(state)), folder_(std::move(folder)) {
    options.keep_last = 1'000'000;
    store_ =
        std::make_unique<CheckpointStore>(folder_, options, real_disk(), [](const auto&, const auto&) {});
    store_->prepare(0);
  }

  Times save() {
    for (const auto& entry : fs::directory_iterator(folder_)) fs::remove_all(entry.path());
    ::sync();
    CheckpointState state{{}, state_.tensors()};
    state.record.run_id = "bench";
    state.record.step = Step{++step_};
    state.record.loss = 1.0 / static_cast<double>(step_);
    return {{"durable", ms_of([&] { store_->save(state, false); })}};
  }
  Times load() {
    return {{"trainable", ms_of([&] {
               const auto reader =
                   CheckpointReader::open(real_disk(), folder_ + fmt::format("/step-{:08}", step_));
               reader->read(state_.places(), /*all=*/true);
             })}};
  }
  Times to_page_cache() {
    for (const auto& entry : fs::directory_iterator(folder_ + fmt::format("/step-{:08}", step_))) {
      std::ifstream file(entry.path(), std::ios::binary);
      std::vector<char> block(1u << 20);
      while (file.read(block.data(), static_cast<std::streamsize>(block.size()))) {
      }
    }
    return {};
  }
  State& state() { return state_; }

 private:
  State state_;
  std::string folder_;
  std::unique_ptr<CheckpointStore> store_;
  std::int64_t step_ = 0;
};

[[noreturn]] void failed(const char* what) {
  throw Fault(ExitCode::kStorage, std::string(what) + ": " + std::strerror(errno));
}

// One thread, 8 MiB blocks around the page cache, fsync: what `dd oflag=direct conv=fsync` does.
Times raw_write(std::span<const std::byte> bytes, const std::string& path) {
  fs::remove(path);
  ::sync();
  return {{"durable", ms_of([&] {
             const Descriptor fd(open_or_throw(path, O_WRONLY | O_CREAT | O_EXCL | O_DIRECT, false));
             constexpr std::size_t kBlock = 8u << 20;
             const std::size_t whole = bytes.size() - bytes.size() % kDirectAlignment;
             for (std::size_t at = 0; at < whole; at += kBlock) {
               const std::size_t n = std::min(kBlock, whole - at);
               if (::pwrite(fd.get(), bytes.data() + at, n, static_cast<off_t>(at)) !=
                   static_cast<ssize_t>(n))
                 failed("raw write");
             }
             sync_or_throw(fd.get(), path, false);
           })}};
}

Times raw_read(std::span<std::byte> into, const std::string& path) {
  return {{"cold", ms_of([&] {
             const Descriptor fd(open_or_throw(path, O_RDONLY | O_DIRECT, true));
             constexpr std::size_t kBlock = 8u << 20;
             const std::size_t whole = into.size() - into.size() % kDirectAlignment;
             for (std::size_t at = 0; at < whole; at += kBlock) {
               const std::size_t n = std::min(kBlock, whole - at);
               if (::pread(fd.get(), into.data() + at, n, static_cast<off_t>(at)) != static_cast<ssize_t>(n))
                 failed("raw read");
             }
           })}};
}

// One thread into memory that was touched before.
Times copy(std::span<const std::byte> from, std::span<std::byte> into) {
  return {{"copied", ms_of([&] { std::memcpy(into.data(), from.data(), from.size()); })}};
}

// Two threads on cores of their own, as far as there are two: left alone they may share one for a whole run.
class Pinned {
 public:
  explicit Pinned(int nth) {
    ::sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &before_) && nth-- == 0) CPU_SET(cpu, &one);
    if (CPU_COUNT(&one) == 1) ::sched_setaffinity(0, sizeof one, &one);
  }
  ~Pinned() { ::sched_setaffinity(0, sizeof before_, &before_); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

 private:
  cpu_set_t before_;
};

// a += b by two threads: says whether the machine itself moved. Best of three.
Times memory_limit(std::span<std::byte> a, std::span<const std::byte> b) {
  double best = 1e300;
  const std::size_t half = std::min(a.size(), b.size()) / 16 * 8;
  const auto add = [&](std::size_t from) {
    auto* x = reinterpret_cast<std::uint64_t*>(a.data() + from);
    const auto* y = reinterpret_cast<const std::uint64_t*>(b.data() + from);
    for (std::size_t i = 0; i < half / 8; ++i) x[i] += y[i];
  };
  for (int round = 0; round < 3; ++round)
    best = std::min(best, ms_of([&] {
                      std::jthread other([&] {
                        const Pinned second(1);
                        add(half);
                      });
                      const Pinned first(0);
                      add(0);
                    }));
  return {{"added", best}};
}

int serve(const std::string& folder, bool tiny, std::int64_t writers) {
  configure_log({.level = LogLevel::kError});
  fs::create_directories(folder);
  CheckpointOptions plain;
  plain.writers = writers;
  CheckpointOptions verified = plain;
  verified.verify_after_save = true;
  Saved large(tiny ? large_state(2, 64) : large_state(8, 2048), folder + "/large", plain);
  Saved checked(tiny ? large_state(2, 64) : large_state(8, 2048), folder + "/checked", verified);
  Saved small(small_state(tiny ? 20 : 5000), folder + "/small", plain);
  const auto memory = large.state().memory();
  const auto other = checked.state().memory();
  const std::string raw = folder + "/raw";
  const std::map<std::string, std::function<Times()>> cases = {
      {"save", [&] { return large.save(); }},
      {"save_verified", [&] { return checked.save(); }},
      {"load", [&] { return large.load(); }},
      {"to_page_cache", [&] { return large.to_page_cache(); }},
      {"small_save", [&] { return small.save(); }},
      {"small_load", [&] { return small.load(); }},
      {"raw_write", [&] { return raw_write(memory, raw); }},
      {"raw_read", [&] { return raw_read(other, raw); }},
      {"memcpy", [&] { return copy(memory, other); }},
      {"memory_limit", [&] { return memory_limit(other, memory); }},
      {"bytes",
       [&] {
         return Times{{"bytes", static_cast<double>(memory.size())}};
       }},
  };
  for (std::string line; std::getline(std::cin, line);) {
    const auto found = cases.find(line);
    check(found != cases.end(), "the benchmark asks for a case there is");
    std::cout << nlohmann::json(found->second()).dump() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  CLI::App app("Answers the cases of tests/bench/checkpoint, one a line.");
  std::string folder;
  bool tiny = false;
  app.add_option("--folder", folder, "Where to write; on the disk to be measured")->required();
  std::int64_t writers = lockstep::CheckpointOptions().writers;
  app.add_option("--writers", writers, "checkpoint.writers");
  app.add_flag("--tiny", tiny, "A state of some kilobytes");
  CLI11_PARSE(app, argc, argv);
  try {
    return lockstep::bench::serve(folder, tiny, writers);
  } catch (const std::exception& error) {
    std::cerr << "bench_checkpoint: " << error.what() << '\n';
    return 1;
  }
}
