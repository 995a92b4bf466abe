// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/stacks.h"

#include <cxxabi.h>
#include <dirent.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

#include "base/descriptor.h"

namespace lockstep {
namespace {

constexpr int kMostFrames = 48;
constexpr std::chrono::milliseconds kEach{100};
constexpr std::chrono::seconds kAll{2};

// Written by a signal handler: that is why they are process-wide. One thread is asked at a time.
std::array<void*, kMostFrames> frames;
std::atomic<int> depth{0};
std::atomic<pid_t> asked{0};

int stack_signal() {
  return SIGRTMAX - 3;
}

void on_stack_signal(int) {
  const int error = errno;
  pid_t self = static_cast<pid_t>(::syscall(SYS_gettid));
  // Not asked any more: it answers too late, and the frames are another's.
  if (asked.compare_exchange_strong(self, 0)) depth.store(::backtrace(frames.data(), kMostFrames));
  errno = error;
}

std::string first_line(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 512> text{};
  const ssize_t got = file.get() < 0 ? 0 : ::read(file.get(), text.data(), text.size());
  std::string line(text.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return line.substr(0, line.find('\n'));
}

std::vector<pid_t> threads() {
  std::vector<pid_t> found;
  DIR* folder = ::opendir("/proc/self/task");
  if (folder == nullptr) return found;
  while (const dirent* entry = ::readdir(folder))
    if (const pid_t thread = std::atoi(entry->d_name); thread > 0) found.push_back(thread);
  ::closedir(folder);
  std::sort(found.begin(), found.end());
  return found;
}

char state_of(pid_t thread) {
  const std::string line = first_line(fmt::format("/proc/self/task/{}/stat", thread));
  const std::size_t name_end = line.rfind(") ");
  return name_end == std::string::npos || name_end + 2 >= line.size() ? '?' : line[name_end + 2];
}

std::string name_of_frame(void* address) {
  Dl_info info{};
  if (::dladdr(address, &info) == 0 || info.dli_fname == nullptr) return fmt::format("{}", address);
  const std::string file = std::string(info.dli_fname).substr(std::string(info.dli_fname).rfind('/') + 1);
  const auto offset =
      reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
  if (info.dli_sname == nullptr) return fmt::format("{}+{:#x}", file, offset);
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> plain(
      abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status), &std::free);
  const std::string name = plain ? plain.get() : info.dli_sname;
  return fmt::format("{}  ({}+{:#x})", name.substr(0, 200), file, offset);
}

std::vector<std::string> ask(pid_t thread) {
  depth.store(0);
  asked.store(thread);
  if (::syscall(SYS_tgkill, ::getpid(), thread, stack_signal()) != 0) return {};
  const auto until = std::chrono::steady_clock::now() + kEach;
  while (depth.load() == 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  pid_t still = thread;
  // It has not begun, and must not any more; else it is about to end.
  if (depth.load() == 0 && asked.compare_exchange_strong(still, 0)) return {};
  std::vector<std::string> names;
  // The first two are the handler and the kernel's return from it.
  for (int i = 2; i < depth.load(); ++i) names.push_back(name_of_frame(frames[static_cast<std::size_t>(i)]));
  return names;
}

}  // namespace

void prepare_stacks() {
  // The first call loads a library, which a signal handler must not.
  std::array<void*, 2> none{};
  ::backtrace(none.data(), 2);
  struct sigaction action {};
  action.sa_handler = on_stack_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(stack_signal(), &action, nullptr);
}

std::vector<ThreadStack> take_stacks() {
  const auto until = std::chrono::steady_clock::now() + kAll;
  const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
  std::vector<ThreadStack> stacks;
  for (const pid_t thread : threads()) {
    if (thread == self || std::chrono::steady_clock::now() > until) continue;
    ThreadStack stack;
    stack.thread = thread;
    stack.name = first_line(fmt::format("/proc/self/task/{}/comm", thread));
    stack.state = state_of(thread);
    stack.frames = ask(thread);
    stacks.push_back(std::move(stack));
  }
  return stacks;
}

std::string text_of(const ThreadStack& stack) {
  std::string text = fmt::format("thread {} {} ({}):\n", stack.thread, stack.name, stack.state);
  if (stack.frames.empty()) text += "    it does not answer\n";
  for (const std::string& frame : stack.frames) text += "    " + frame + "\n";
  return text;
}

bool any_thread_waits_for_disk() {
  for (const pid_t thread : threads())
    if (state_of(thread) == 'D') return true;
  return false;
}

}  // namespace lockstep
