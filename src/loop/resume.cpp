// SPDX-License-Identifier: Apache-2.0
#include "loop/resume.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "checkpoint/damage.h"
#include "checkpoint/reader.h"
#include "comm/agree.h"
#include "lockstep/base/error.h"
#include "named/find_checkpoint.h"

namespace lockstep {
namespace {

// What rank 0 found, and what all ranks must find.
struct Candidate {
  std::unique_ptr<CheckpointReader> reader;  // on rank 0
  std::string directory;                     // empty: nothing to go on from
  std::string contents;
  std::string host;  // of rank 0
};

std::string contents_of(const CheckpointReader& checkpoint) {
  return fmt::format("state hash {}, manifest {}", checkpoint.state_hash().hex(),
                     checkpoint.manifest().digest.hex());
}

std::unique_ptr<CheckpointReader> find(const ResumeParts& parts, const ResumeOptions& options) {
  if (options.from() == ResumeFrom::kNever) {
    parts.store.leave_newer_than(Step(0), parts.attempt);
    return nullptr;
  }
  if (!options.newest()) return CheckpointReader::open(parts.disk, find_checkpoint(options.mode));
  auto newest = parts.store.open_newest();
  if (!newest && options.from() == ResumeFrom::kMust)
    throw Fault(ExitCode::kNoValidCheckpoint,
                fmt::format("{}: no checkpoint, and resume.mode is must", parts.checkpoints),
                "Check run.dir, or start with resume.mode=auto");
  return newest;
}

Candidate next_candidate(const ResumeParts& parts, const ResumeOptions& options) {
  Candidate candidate;
  on_root(parts.world, [&] {
    candidate.reader = find(parts, options);
    if (!candidate.reader) return;
    candidate.directory = candidate.reader->directory();
    candidate.contents = contents_of(*candidate.reader);
  });
  candidate.directory = agree_on_root(parts.world, candidate.directory).value;
  candidate.contents = agree_on_root(parts.world, candidate.contents).value;
  candidate.host = agree_on_root(parts.world, parts.world.place().host).value;
  return candidate;
}

// The ranks of a host share its cores, and the page cache: what one of them has read the others need not.
ReadOptions reading_of(const World& world) {
  constexpr int kMost = 4;
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const int ranks = world.place().local_size;
  return {std::clamp(cores / ranks, 1, kMost), /*alone=*/ranks == 1};
}

// Note [one checkpoint]: a path may lead each host to a folder of its own, or for a while, on a network file
// system, to what was there before the rename that made this one. That is no damage of what rank 0 opened,
// and must not be mixed with it where ranks have memory in common: before a byte of it is read, all have
// opened the manifest that rank 0 has.
std::unique_ptr<CheckpointReader> open_as_root_did(const ResumeParts& parts, const Candidate& candidate) {
  constexpr int kTries = 100;
  constexpr std::chrono::milliseconds kBetween{100};
  std::string instead;
  for (int tries = 0; tries <= kTries; ++tries) {
    if (tries > 0) std::this_thread::sleep_for(kBetween);
    try {
      auto reader = CheckpointReader::open(parts.disk, candidate.directory);
      instead = contents_of(*reader);
      if (instead == candidate.contents) return reader;
    } catch (const CheckpointDamage& damage) {
      instead = damage.fact();
    }
  }
  throw Fault(ExitCode::kRunDirectory,
              fmt::format("{} is not one checkpoint on all ranks: on rank 0 ({}) {}; on rank {} ({}) {}",
                          candidate.directory, candidate.host, candidate.contents, parts.world.rank().value,
                          parts.world.place().host, instead),
              "Keep the run on one file system that all ranks see at this path: no folder of a host's own, "
              "no volume of a container's own");
}

// What is wrong with a candidate.
struct Refusal {
  AgreedFault agreed;
  std::optional<CheckpointDamage> here;  // what this rank found, with the place

  const Fault& why() const { return here ? static_cast<const Fault&>(*here) : agreed; }
};

// Note [one pass]: bytes go where the state lives and are compared with their digests on the way, on every
// rank, so that nothing is read twice. What a damaged checkpoint leaves there is never used: the next
// candidate fills all of it, or the run ends.
std::optional<Refusal> restore(const ResumeParts& parts, const Candidate& candidate, ResumedFrom& from) {
  std::optional<CheckpointDamage> seen_here;
  try {
    std::unique_ptr<CheckpointReader> own;
    together(parts.world, [&] {
      if (!parts.world.is_root()) own = open_as_root_did(parts, candidate);
    });
    const CheckpointReader& reader = own ? *own : *candidate.reader;
    together(parts.world, [&] {
      try {
        const std::vector<MutableStateTensor> places = parts.target.places(reader);
        reader.read(places, /*all=*/true, reading_of(parts.world));
        from = {reader.record(), reader.state_hash(), false};
      } catch (const CheckpointDamage& damage) {
        seen_here = damage;
        throw;
      }
    });
  } catch (const AgreedFault& fault) {
    if (fault.code() != ExitCode::kNoValidCheckpoint && fault.code() != ExitCode::kStorage) throw;
    return Refusal{fault, seen_here};
  }
  together(parts.world, [&] { parts.target.take_over(from.record); });
  return std::nullopt;
}

// Whether it is another run's; if it is not, what is newer in this run is left behind.
bool go_back(const ResumeParts& parts, const Candidate& candidate) {
  bool foreign = false;
  on_root(parts.world, [&] {
    const std::filesystem::path folder = std::filesystem::path(candidate.directory).parent_path();
    foreign = folder != std::filesystem::canonical(parts.checkpoints);
    // All of another run's future is not this run's past.
    parts.store.leave_newer_than(foreign ? Step(0) : candidate.reader->record().step, parts.attempt);
  });
  return agree_max(parts.world, static_cast<int>(foreign)).value > 0;
}

}  // namespace

std::optional<ResumedFrom> resume(const ResumeParts& parts, const ResumeOptions& options) {
  const bool newest = options.newest();
  ResumedFrom from;
  Candidate candidate;
  for (bool restored = false; !restored;) {
    candidate = next_candidate(parts, options);
    if (candidate.directory.empty()) return std::nullopt;
    const std::optional<Refusal> refusal = restore(parts, candidate, from);
    restored = !refusal;
    if (refusal && !newest) throw refusal->agreed;
    on_root(parts.world, [&] {
      if (refusal)
        parts.store.refuse(*candidate.reader, refusal->why());
      else if (newest)
        parts.store.accept(*candidate.reader);
    });
  }
  if (!newest) from.foreign = go_back(parts, candidate);
  parts.reporter.event("resumed", {{"step", std::to_string(from.record.step.value)},
                                   {"epoch", std::to_string(from.record.epoch.value)},
                                   {"epoch_offset", std::to_string(from.record.epoch_offset)},
                                   {"directory", candidate.directory},
                                   {"state_hash", from.state_hash.hex()},
                                   {"written_by_attempt", std::to_string(from.record.attempt.value)},
                                   {"written_by_world", std::to_string(from.record.world.value)},
                                   {"world", std::to_string(parts.world.size().value)}});
  return from;
}

}  // namespace lockstep
