// SPDX-License-Identifier: Apache-2.0
#include "loop/profile.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/line_writer.h"
#include "comm/agree.h"
#include "lockstep/base/clock.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

constexpr int kPhaseTrack = 0;
constexpr int kCollectiveTrack = 1;

std::int64_t ns_of(auto clock_time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(clock_time.time_since_epoch()).count();
}

// Note [trace time]. What reads a trace takes `ts` as a double and, as Perfetto does, cuts 1000 times it to
// whole nanoseconds. Since 1970 a double of microseconds has steps of 250 ns, and one phase would end after
// the next began: so times count from the midnight (UTC) before rank 0 began, which the ranks agree on and
// the lives of a day have in common. And 1000 times the double nearest to 1.001 is less than 1001: the fifth
// of a nanosecond that each begin has more keeps the cut from going one too low (up to 25 days).
std::int64_t midnight_before_ns(World& world) {
  using std::chrono::system_clock;
  const auto mine = std::chrono::floor<std::chrono::days>(system_clock::now());
  return std::stoll(agree_on_root(world, std::to_string(ns_of(mine))).value);
}

std::string microseconds(std::int64_t ns) {
  const std::int64_t size = std::abs(ns);  // below 0: begun before that midnight
  return fmt::format("{}{}.{:03}", ns < 0 ? "-" : "", size / 1000, size % 1000);
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
      midnight_ns_(midnight_before_ns(world)),
      zero_ns_(midnight_ns_ + ns_of(std::chrono::steady_clock::now()) -
               ns_of(std::chrono::system_clock::now())) {
  together(world, [&] { open(path_of(path, world.rank(), world.size())); });
  add(track_name("process_name", rank_, kPhaseTrack,
                 fmt::format("rank {} on {}", rank_, world.place().host)));
  add(origin());
  add(track_name("thread_name", rank_, kPhaseTrack, "phases of a step"));
  add(track_name("thread_name", rank_, kCollectiveTrack, "collectives"));
  watch_->observe(this);
}

void Profile::open(const std::string& mine) {
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
}

Profile::~Profile() {
  watch_->observe(nullptr);
  writer_->try_append("", "]");
}

std::string Profile::origin() const {
  using namespace std::chrono;
  const system_clock::time_point when(duration_cast<system_clock::duration>(nanoseconds(midnight_ns_)));
  return nlohmann::json{
      {"ph", "M"},
      {"name", "process_labels"},
      {"pid", rank_},
      {"tid", kPhaseTrack},
      {"args",
       {{"labels", "times count from " + iso_time(when)}, {"origin_unix_s", midnight_ns_ / 1'000'000'000}}}}
      .dump();
}

// A profile that cannot go on is no reason for a run not to.
void Profile::add(const std::string& event) {
  const std::lock_guard lock(adding_);
  const char* const before = std::exchange(begun_, true) ? "," : "[";
  if (writer_->try_append("", before + event) || !std::exchange(is_whole_, false)) return;
  log_warning("--profile: the disk takes no more: events are missing from here on");
}

std::string Profile::span(std::int64_t began_ns, std::int64_t ended_ns) const {
  return fmt::format(R"("ts":{}2,"dur":{})", microseconds(began_ns - zero_ns_),
                     microseconds(ended_ns - began_ns));
}

void Profile::phase_ended(Phase phase, std::int64_t began_ns, std::int64_t ended_ns) {
  add(fmt::format(R"({{"ph":"X","name":"{}","cat":"phase","pid":{},"tid":{},{}}})", name_of(phase), rank_,
                  kPhaseTrack, span(began_ns, ended_ns)));
}

void Profile::collective_ended(const CollectiveCall& call) {
  add(fmt::format(
      R"({{"ph":"X","name":"{}","cat":"collective","pid":{},"tid":{},{},"args":{{"bytes":{},"sequence":{}}}}})",
      call.name, rank_, kCollectiveTrack, span(call.began_ns, call.ended_ns), call.bytes, call.sequence));
}

}  // namespace lockstep
