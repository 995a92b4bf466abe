// SPDX-License-Identifier: Apache-2.0
#include "report/standing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace lockstep {
namespace {

constexpr double kTimesUsual = 10;
constexpr double kTimesLongest = 2;
constexpr double kLeastQuiet = 10;
constexpr double kLongStart = 300;

// What the journal said since the last step of who is to blame.
std::string trouble_since(const Pulse& pulse, double since) {
  if (seconds_of(pulse.trouble.time) < since) return "";
  if (pulse.trouble.name == "hang") return "; the watchdog says: " + pulse.trouble.field("cause");
  const std::string file = pulse.trouble.field("file");
  return "; it waits for the disk" + (file.empty() ? "" : ": " + file);
}

Standing held(const Pulse& pulse, const Signs& signs) {
  const bool has_stepped = pulse.time > 0 && pulse.attempt == signs.attempt;
  const double since = has_stepped ? pulse.time : signs.began;
  Standing standing{"running", "", since > 0 ? std::max(signs.now - since, 0.0) : 0};
  if (!has_stepped) {
    standing.state = standing.quiet_s > kLongStart ? "not moving" : "starting";
    standing.why = fmt::format("no step yet, {} after its start{}", length_of(standing.quiet_s),
                               trouble_since(pulse, since));
    return standing;
  }
  const double limit = std::max({kLeastQuiet, kTimesUsual * pulse.gap_s, kTimesLongest * pulse.longest_s});
  if (standing.quiet_s <= limit) return standing;
  standing.state = "not moving";
  standing.why = fmt::format("no step for {}", length_of(standing.quiet_s));
  if (pulse.gap_s > 0) standing.why += fmt::format(", usually a line every {}", length_of(pulse.gap_s));
  standing.why += trouble_since(pulse, since);
  return standing;
}

std::string ended_with(const StoryEvent& event) {
  const std::string cause = event.field("cause");
  return fmt::format("ended with {}{}", event.field("code"), cause.empty() ? "" : ": " + cause);
}

// Between two attempts, as the supervisor wrote it.
Standing between(const StoryEvent& event, const Signs& signs) {
  const std::string reason = event.field("reason");
  if (signs.supervisor == Signs::Supervisor::kGone)
    return {"stopped", reason + "; its supervisor is gone, so nothing starts it again", 0};
  const double left =
      seconds_of(event.time) + std::strtod(event.field("pause_s").c_str(), nullptr) - signs.now;
  if (left <= 0) return {"waiting", reason + "; the next attempt is being started", 0};
  return {"waiting", fmt::format("{}; the next attempt starts in {}", reason, length_of(left)), 0};
}

Standing stopped(const Pulse& pulse) {
  const StoryEvent& last = pulse.newest;
  if (last.name == "stopped") {
    const std::string reason = last.field("reason");
    return {"stopped", reason.empty() ? "on request" : reason, 0};
  }
  if (last.name == "hang" || last.name == "rank_lost") return {"stopped", last.field("cause"), 0};
  if (last.name == "attempt_end") return {"stopped", ended_with(last), 0};
  return {"stopped", "", 0};
}

Standing not_held(const Pulse& pulse, const Signs& signs) {
  if (signs.done) return {"done", "", 0};
  const StoryEvent& event = pulse.supervisor;
  const bool pauses = event.name == "waiting" || event.name == "restarting";
  if (signs.supervisor == Signs::Supervisor::kLives && !pauses)
    return {"starting", "its supervisor is there, and no rank has the run yet", 0};
  // A run may have been started by hand since.
  if (event.name.empty() || event.attempt < signs.attempt) return stopped(pulse);
  if (pauses) return between(event, signs);
  if (event.name == "gave_up")
    return {"gave up", fmt::format("{} (code {})", event.field("reason"), event.field("code")), 0};
  if (event.name == "requeued") return {"waiting", "in Slurm's queue: " + event.field("reason"), 0};
  return event.name == "attempt_end" ? Standing{"stopped", ended_with(event), 0} : stopped(pulse);
}

}  // namespace

std::string length_of(double seconds) {
  if (seconds < 10) return fmt::format("{:.2g} s", seconds);
  const auto whole = static_cast<std::int64_t>(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
}

Standing standing_of(const Pulse& pulse, const Signs& signs) {
  return signs.held ? held(pulse, signs) : not_held(pulse, signs);
}

}  // namespace lockstep
