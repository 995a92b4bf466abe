// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace lockstep {
namespace {

// A rank that never comes, though no phase of it is ever past its limit.
constexpr double kPatience = 3;

using Views = std::vector<RankView>;
using Wanted = std::function<bool(const RankView&)>;

Views those(const Views& ranks, const Wanted& wanted) {
  Views found;
  std::copy_if(ranks.begin(), ranks.end(), std::back_inserter(found),
               [&](const RankView& view) { return !view.left && wanted(view); });
  return found;
}

std::string joined(const Views& ranks) {
  constexpr std::size_t kMost = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(ranks.size(), kMost); ++i)
    text += (i == 0 ? "" : "; ") + describe(ranks[i]);
  if (ranks.size() > kMost) text += fmt::format("; and {} more", ranks.size() - kMost);
  return text;
}

bool silent(const RankView& view) {
  return view.silent_s > view.silence_limit;
}
bool inside(const RankView& view) {
  return view.beat.inside_call() && !silent(view);
}
bool storage(const Beat& beat) {
  return is_storage(beat.phase) || beat.waits_for_disk != 0;
}
bool late(const RankView& view) {
  const Beat& beat = view.beat;
  // What waits inside the kernel for a disk gets the patience that a save has.
  const double limit = beat.waits_for_disk != 0 ? 30.0 * beat.phase_limit : beat.phase_limit;
  return !silent(view) && !beat.inside_call() && beat.in_phase > limit;
}

Verdict verdict(const Views& culprits, std::string cause, const Views& others) {
  Verdict result;
  result.cause = std::move(cause);
  if (!others.empty()) result.cause += "; " + joined(others);
  for (const RankView& view : culprits) {
    result.culprits.push_back(view.rank);
    if (silent(view)) result.silent.push_back(view.rank);
  }
  return result;
}

// All that is left are ranks inside collectives, at least one of them for too long.
Verdict among_waiting(const Views& waiting) {
  const auto same = [&](const RankView& view) {
    const Beat& first = waiting.front().beat;
    return view.beat.sequence == first.sequence && view.beat.call == first.call;
  };
  if (std::all_of(waiting.begin(), waiting.end(), same))
    return verdict(waiting, "all ranks are in the same collective and it does not end: the network, or MPI",
                   waiting);
  Views other = waiting;
  std::erase_if(other, same);
  return verdict(other, "the ranks call different collectives", waiting);
}

}  // namespace

std::string describe(const RankView& view) {
  const Beat& beat = view.beat;
  const std::string who =
      fmt::format("rank {}{}", view.rank, view.host.empty() ? "" : " (" + view.host + ")");
  if (silent(view))
    return fmt::format("{} has not answered for {:.1f} s, last heard of in {}", who, view.silent_s,
                       beat.inside_call() ? std::string(beat.call.data()) : std::string(name_of(beat.phase)));
  if (beat.inside_call())
    return fmt::format("{} waits in {} #{} ({} bytes, phase {}) for {:.1f} s", who, beat.call.data(),
                       beat.sequence, beat.bytes, name_of(beat.phase), beat.in_call);
  return fmt::format("{} is in {} for {:.1f} s, after {} #{}", who, name_of(beat.phase), beat.in_phase,
                     beat.sequence == 0 ? "collective" : beat.call.data(), beat.sequence);
}

std::optional<Verdict> judge_ranks(const Views& ranks) {
  const Views waiting = those(ranks, inside);
  if (const Views gone = those(ranks, silent); !gone.empty())
    return verdict(gone, joined(gone) + ": stopped, or its link is cut", waiting);
  if (const Views hung = those(ranks, late); !hung.empty())
    return verdict(hung, fmt::format("{}, longer than {:.1f} s", joined(hung), hung[0].beat.phase_limit),
                   waiting);
  const auto overdue = [](double times) {
    return [times](const RankView& view) {
      return inside(view) && view.beat.in_call > times * view.beat.call_limit;
    };
  };
  const Views working = those(ranks, [](const RankView& view) { return !inside(view); });
  // All of them: what is known of one may be older than what is known of another that has gone on since.
  if (working.empty() && !waiting.empty() && those(ranks, overdue(1)).size() == waiting.size())
    return among_waiting(waiting);
  const bool excused = std::any_of(working.begin(), working.end(), [](const RankView& view) {
    return storage(view.beat) || view.beat.phase == Phase::kStartUp;
  });
  if (!excused && !working.empty() && !those(ranks, overdue(kPatience)).empty())
    return verdict(working, "ranks go on without the others: " + joined(working), waiting);
  return std::nullopt;
}

std::optional<RankView> slow_storage(const Views& ranks, double word_s) {
  for (const RankView& view : ranks)
    if (!view.left && !silent(view) && !view.beat.inside_call() && storage(view.beat) &&
        view.beat.in_phase > word_s)
      return view;
  return std::nullopt;
}

}  // namespace lockstep
