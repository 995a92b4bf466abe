// SPDX-License-Identifier: Apache-2.0
#include "train/resume.h"

#include <fmt/format.h>

#include <filesystem>

#include "checkpoint/reader.h"
#include "comm/agree.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// What rank 0 found: the directory to read, and whether it is another run's.
struct Choice {
  std::string directory;
  bool foreign = false;
};

Choice choose_newest(const ResumeParts& parts, bool must) {
  const auto newest = parts.store.open_newest_verified();
  if (newest) return {newest->directory(), false};
  if (must)
    throw Fault(ExitCode::kNoValidCheckpoint,
                fmt::format("{}: no checkpoint, and resume.mode is must", parts.checkpoints),
                "Check run.dir, or start with resume.mode=auto");
  return {};
}

Choice choose_named(const ResumeParts& parts, const std::string& path) {
  const auto reader = CheckpointReader::open(parts.disk, path);
  reader->verify();
  const std::filesystem::path real = std::filesystem::canonical(path);
  const bool own = real.parent_path() == std::filesystem::canonical(parts.checkpoints);
  // All of another run's future is not this run's past.
  parts.store.leave_newer_than(own ? reader->record().step : Step(0), parts.attempt);
  return {real.string(), !own};
}

Choice choose(const ResumeParts& parts, const std::string& mode) {
  if (mode == "auto" || mode == "must") return choose_newest(parts, mode == "must");
  if (mode == "never") {
    parts.store.leave_newer_than(Step(0), parts.attempt);
    return {};
  }
  return choose_named(parts, mode);
}

}  // namespace

std::optional<ResumedFrom> resume(const ResumeParts& parts, const ResumeOptions& options) {
  Choice mine;
  on_root(parts.world, [&] { mine = choose(parts, options.mode); });
  const Agreed<std::string> directory = agree_on_root(parts.world, mine.directory);
  const Agreed<bool> foreign = agree_max(parts.world, parts.world.is_root() && mine.foreign);
  if (directory.value.empty()) return std::nullopt;

  ResumedFrom from;
  together(parts.world, [&] {
    const auto reader = CheckpointReader::open(parts.disk, directory.value);
    parts.admit(reader->record());
    const auto places = parts.state.places();
    reader->read(places, /*all=*/true);
    parts.state.commit_restore();
    from = {reader->record(), reader->state_hash(), foreign.value};
  });
  parts.reporter.event("resumed", {{"step", std::to_string(from.record.step.value)},
                                   {"directory", directory.value},
                                   {"state_hash", from.state_hash.hex()},
                                   {"written_by_attempt", std::to_string(from.record.attempt.value)},
                                   {"written_by_world", std::to_string(from.record.world.value)},
                                   {"world", std::to_string(parts.world.size().value)}});
  return from;
}

}  // namespace lockstep
