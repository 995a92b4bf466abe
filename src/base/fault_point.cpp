// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/fault_point.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <thread>
#include <vector>

#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"

namespace lockstep {
#ifndef LOCKSTEP_FAULT_POINTS

void arm_fault_points(std::string_view plan, const FaultContext&) {
  if (!plan.empty())
    throw Fault(ExitCode::kUsage, "LOCKSTEP_FAULT is set, but this build has no fault points",
                "Unset it, or configure with -DLOCKSTEP_FAULT_POINTS=ON");
}
void set_fault_step(std::int64_t) {}
void set_fault_step_of_thread(std::int64_t) {}

#else
namespace {

struct Injection {
  std::string action;
  std::string point;
  std::string file;
  std::int64_t step = -1;
  int rank = -1;
  int attempt = -1;
};

struct Injector {
  std::vector<Injection> plan;
  FaultContext context;
  std::atomic<std::int64_t> step{0};
};

constexpr std::int64_t kNone = -1;
thread_local std::int64_t step_of_thread = kNone;

Injector& injector() {
  static Injector instance;
  return instance;
}

std::int64_t current_step() {
  return step_of_thread == kNone ? injector().step.load() : step_of_thread;
}

[[noreturn]] void refuse(std::string_view plan, std::string_view part) {
  throw Fault(ExitCode::kUsage, fmt::format("LOCKSTEP_FAULT={}: cannot read '{}'", plan, part),
              "Write action@key=value,… with keys rank, step, point, attempt, file");
}

template <class Number>
Number parse_number(std::string_view plan, std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) refuse(plan, text);
  return number;
}

// Takes the text up to `separator` off the front of `rest`.
std::string_view take(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view piece = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return piece;
}

Injection parse_injection(std::string_view plan, std::string_view text) {
  Injection injection;
  injection.action = take(text, '@');
  static constexpr std::string_view kActions[] = {"kill",  "stop", "term",  "usr1", "hup",  "int",
                                                  "abort", "segv", "throw", "nan",  "skip", "exit",
                                                  "note",  "hang", "slow",  "lag",  "flip"};
  bool known = false;
  for (const std::string_view action : kActions) known = known || action == injection.action;
  if (!known) refuse(plan, injection.action);
  while (!text.empty()) {
    std::string_view value = take(text, ',');
    const std::string_view pair = value;
    const std::string_view key = take(value, '=');
    if (key == "rank")
      injection.rank = parse_number<int>(plan, value);
    else if (key == "attempt")
      injection.attempt = parse_number<int>(plan, value);
    else if (key == "step")
      injection.step = parse_number<std::int64_t>(plan, value);
    else if (key == "point")
      injection.point = value;
    else if (key == "file")
      injection.file = value;
    else
      refuse(plan, pair);
  }
  return injection;
}

bool matches(const Injection& injection, std::string_view point) {
  const Injector& here = injector();
  if (!injection.point.empty() ? injection.point != point : point != "step") return false;
  if (injection.rank >= 0 && injection.rank != here.context.rank) return false;
  if (injection.attempt >= 0 && injection.attempt != here.context.attempt) return false;
  if (injection.step >= 0 && injection.step != current_step()) return false;
  return injection.action == "note" || injection.file.empty() || !real_disk().info(injection.file);
}

// The injector's own record is synced before the process goes: a test counts it.
void record_firing(const Injection& injection, std::string_view point, std::int64_t index = -1) {
  if (injection.file.empty()) return;
  std::string line = fmt::format("{} rank={} step={} attempt={} point={}", injection.action,
                                 injector().context.rank, current_step(), injector().context.attempt, point);
  if (index >= 0) line += fmt::format(" index={}", index);
  real_disk().append(injection.file, line + "\n");
  if (injection.action == "note") return;
  real_disk().sync_file(injection.file);
}

int signal_for(std::string_view action) {
  if (action == "kill") return SIGKILL;
  if (action == "stop") return SIGSTOP;
  if (action == "term") return SIGTERM;
  if (action == "usr1") return SIGUSR1;
  if (action == "hup") return SIGHUP;
  if (action == "int") return SIGINT;
  if (action == "segv") return SIGSEGV;
  return SIGABRT;
}

// slow: longer than any limit a test sets. lag: much longer than a small step.
std::chrono::milliseconds wait_of(std::string_view action) {
  return std::chrono::milliseconds(action == "slow" ? 8000 : action == "lag" ? 10 : 0);
}

bool asks(const Injection& injection) {
  return injection.action == "nan" || injection.action == "skip" || injection.action == "flip";
}

}  // namespace

void arm_fault_points(std::string_view plan, const FaultContext& context) {
  injector().plan.clear();
  injector().context = context;
  std::string_view rest = plan;
  while (!rest.empty()) injector().plan.push_back(parse_injection(plan, take(rest, ';')));
}

void set_fault_step(std::int64_t step) {
  injector().step.store(step);
}

void set_fault_step_of_thread(std::int64_t step) {
  step_of_thread = step;
}

void fault_point(std::string_view name, std::int64_t index) {
  for (const Injection& injection : injector().plan) {
    if (asks(injection) || !matches(injection, name)) continue;
    record_firing(injection, name, index);
    if (injection.action == "note") continue;
    if (injection.action == "throw")
      throw Fault(ExitCode::kStorage, fmt::format("injected at {}", name), "This is a test");
    if (injection.action == "exit") ::_exit(0);
    if (const auto wait = wait_of(injection.action); wait.count() > 0) {
      std::this_thread::sleep_for(wait);
      continue;
    }
    while (injection.action == "hang") ::pause();
    ::kill(::getpid(), signal_for(injection.action));
  }
}

bool fault_requested(std::string_view name) {
  for (const Injection& injection : injector().plan) {
    if (!asks(injection) || !matches(injection, name)) continue;
    record_firing(injection, name);
    return true;
  }
  return false;
}

#endif
}  // namespace lockstep
