// SPDX-License-Identifier: Apache-2.0
#include "supervise/run_events.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/descriptor.h"
#include "base/run_layout.h"
#include "lockstep/base/clock.h"

namespace lockstep {
namespace {
constexpr std::size_t kMostWaiting = 1000;
}  // namespace

void RunEvents::set_directory(const std::string& run_directory) {
  directory_ = run_directory;
  write();
}

void RunEvents::add(int attempt, const std::string& name, const EventFields& fields) {
  nlohmann::ordered_json json = {
      {"time", iso_time(real_clock().wall())}, {"attempt", attempt}, {"event", name}};
  for (const auto& [key, value] : fields)
    std::visit(
        [&json, &key = key](const auto& one) {
          if constexpr (std::is_same_v<std::decay_t<decltype(one)>, double>)
            json[key] = std::round(one * 1000) / 1000;
          else
            json[key] = one;
        },
        value);
  if (waiting_.size() < kMostWaiting)
    waiting_.push_back(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  write();
}

void RunEvents::write() {
  if (directory_.empty() || waiting_.empty()) return;
  // Not the one who makes the folder: that is rank 0, with its lock.
  const Descriptor folder(::open(directory_.c_str(), O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return;
  const Descriptor file(::openat(folder.get(), kEventsFile,
                                 O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644));
  if (file.get() < 0) return;
  for (const std::string& line : waiting_)
    if (::write(file.get(), line.data(), line.size()) < 0) break;
  waiting_.clear();
}

}  // namespace lockstep
