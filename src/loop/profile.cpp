// SPDX-License-Identifier: Apache-2.0
#include "loop/profile.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/line_writer.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

constexpr int kPhaseTrack = 0;
constexpr int kCollectiveTrack = 1;

std::int64_t ns_of(auto clock_time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(clock_time.time_since_epoch()).count();
}

std::string track_name(const char* of, int rank, int track, const std::string& name) {
  return nlohmann::json{{"ph", "M"}, {"name", of}, {"pid", rank}, {"tid", track}, {"args", {{"name", name}}}}
      .dump();
}

}  // namespace

std::string Profile::path_of(const std::string& path, Rank rank, WorldSize world) {
  if (world.value == 1) return path;
  const std::filesystem::path whole(path);
  const std::string name =
      fmt::format("{}.rank-{}{}", whole.stem().string(), rank.value, whole.extension().string());
  return (whole.parent_path() / name).string();
}

Profile::Profile(World& world, const std::string& path)
    : watch_(world.shared_watch()),
      rank_(world.rank().value),
      epoch_ns_(ns_of(std::chrono::system_clock::now()) - ns_of(std::chrono::steady_clock::now())) {
  const std::string mine = path_of(path, world.rank(), world.size());
  auto file = std::make_shared<std::ofstream>(mine, std::ios::trunc);
  if (!file->is_open())
    throw Fault(ExitCode::kUsage,
                fmt::format("--profile: {} cannot be written: {}", printable(mine), std::strerror(errno)),
                "Name a file in a folder that is there and that you may write to");
  writer_ = std::make_unique<LineWriter>([file, mine](const std::string&, const std::string& line) {
    *file << line << '\n';
    file->flush();
    if (!*file) throw Fault(ExitCode::kStorage, printable(mine) + " cannot be written", "Make room");
  });
  add(track_name("process_name", rank_, kPhaseTrack,
                 fmt::format("rank {} on {}", rank_, world.place().host)));
  add(track_name("thread_name", rank_, kPhaseTrack, "phases of a step"));
  add(track_name("thread_name", rank_, kCollectiveTrack, "collectives"));
  watch_->observe(this);
}

Profile::~Profile() {
  watch_->observe(nullptr);
  writer_->try_append("", "]");
}

// A profile that cannot go on is no reason for a run not to.
void Profile::add(const std::string& event) {
  const std::lock_guard lock(adding_);
  const char* const before = std::exchange(begun_, true) ? "," : "[";
  if (writer_->try_append("", before + event) || !std::exchange(is_whole_, false)) return;
  log_warning("--profile: the disk takes no more: events are missing from here on");
}

void Profile::phase_ended(Phase phase, std::int64_t began_ns, std::int64_t ended_ns) {
  add(fmt::format(R"({{"ph":"X","name":"{}","cat":"phase","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f}}})",
                  name_of(phase), rank_, kPhaseTrack, static_cast<double>(epoch_ns_ + began_ns) / 1e3,
                  static_cast<double>(ended_ns - began_ns) / 1e3));
}

void Profile::collective_ended(const CollectiveCall& call) {
  add(fmt::format(
      R"({{"ph":"X","name":"{}","cat":"collective","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},"args":{{"bytes":{},"sequence":{}}}}})",
      call.name, rank_, kCollectiveTrack, static_cast<double>(epoch_ns_ + call.began_ns) / 1e3,
      static_cast<double>(call.ended_ns - call.began_ns) / 1e3, call.bytes, call.sequence));
}

}  // namespace lockstep
