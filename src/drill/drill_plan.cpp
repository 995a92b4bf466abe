// SPDX-License-Identifier: Apache-2.0
#include "drill/drill_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <regex>

#include "lockstep/base/error.h"
#include "lockstep/base/random.h"

namespace lockstep {
namespace {

// What the numbers are drawn for.
enum Draw : std::uint64_t { kOrder, kStep, kRank, kPhase, kPart };

constexpr std::uint64_t kOneStartIn = 4;

// A step that is done or a rank that is not given are drawn when the order is known.
constexpr int kAnyRank = -1;

std::int64_t number_in(const std::string& digits, const std::string& fault) {
  if (digits.size() > 15) throw Fault(ExitCode::kUsage, "'" + fault + "': " + digits + " is too large");
  return std::stoll(digits);
}

Disturbance read_fault(const std::string& text, std::int64_t steps) {
  static const std::map<std::string, FaultKind> kKinds = {
      {"kill", FaultKind::kKill}, {"hang", FaultKind::kHang}, {"disk", FaultKind::kFullDisk}};
  static const std::regex kFault("(kill|hang|disk)(?::([0-9]+))?@([0-9]+)");
  std::smatch parts;
  if (!std::regex_match(text, parts, kFault))
    throw Fault(ExitCode::kUsage, "'" + text + "' is no fault",
                "Write KIND[:RANK]@STEP, as in kill:1@120; kinds are kill, hang and disk");
  Disturbance fault;
  fault.kind = kKinds.at(parts[1]);
  fault.rank = kAnyRank;
  if (parts[2].matched)
    fault.rank = static_cast<int>(std::min<std::int64_t>(number_in(parts[2], text), 1 << 30));
  fault.step = number_in(parts[3], text);
  if (fault.step < 1 || fault.step >= steps)
    throw Fault(ExitCode::kUsage, fmt::format("'{}' cannot strike: the run has {} steps", text, steps),
                fmt::format("Give a step from 1 to {}", steps - 1));
  return fault;
}

std::vector<Disturbance> read_chosen(const DrillWishes& wishes) {
  std::vector<Disturbance> faults;
  for (const std::string& text : wishes.chosen) faults.push_back(read_fault(text, wishes.steps));
  return faults;
}

// 0 to 1.
double fraction(std::uint64_t key) {
  return static_cast<double>(key % 1000) / 1000;
}

// Kinds in a random order, and a random step in each stretch.
std::vector<Disturbance> draw_faults(const DrillWishes& wishes) {
  std::vector<FaultKind> kinds(static_cast<std::size_t>(wishes.kills), FaultKind::kKill);
  kinds.insert(kinds.end(), static_cast<std::size_t>(wishes.hangs), FaultKind::kHang);
  kinds.insert(kinds.end(), static_cast<std::size_t>(wishes.full_disks), FaultKind::kFullDisk);
  std::vector<Disturbance> faults;
  if (kinds.empty()) return faults;
  const auto count = static_cast<std::int64_t>(kinds.size());
  if (wishes.steps <= count)
    throw Fault(ExitCode::kUsage, fmt::format("{} faults need more than {} steps", count, wishes.steps),
                "Give a larger train.steps, or fewer faults");
  const Permutation order(kinds.size(), mix_key({wishes.seed, kOrder}));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    const std::int64_t from = 1 + i * (wishes.steps - 1) / count;
    const std::int64_t to = 1 + (i + 1) * (wishes.steps - 1) / count;
    Disturbance fault;
    fault.kind = kinds[order(at)];
    fault.rank = kAnyRank;
    fault.step = from + static_cast<std::int64_t>(mix_key({wishes.seed, at, kStep}) %
                                                  static_cast<std::uint64_t>(to - from));
    // Two of these in a row would be three lives without a checkpoint, which a supervisor takes for no
    // progress.
    const bool in_start = i > 0 && faults.back().step > 0 && fault.kind == FaultKind::kKill &&
                          mix_key({wishes.seed, at, kPhase}) % kOneStartIn == 0;
    if (in_start) fault.step = 0;
    faults.push_back(fault);
  }
  return faults;
}

void place(Disturbance& fault, std::size_t life, const DrillWishes& wishes) {
  fault.ranks = ranks_of_life(wishes.ranks, life);
  fault.part = fraction(mix_key({wishes.seed, life, kPart}));
  if (fault.kind == FaultKind::kHang && fault.ranks < 2)
    throw Fault(ExitCode::kUsage, "a rank that is stopped alone has nobody to notice it",
                "Give two ranks or more for a hang, as in --ranks 2");
  if (fault.kind == FaultKind::kFullDisk && fault.rank == kAnyRank)
    fault.rank = 0;  // which writes in any case
  if (fault.rank == kAnyRank)
    fault.rank =
        static_cast<int>(mix_key({wishes.seed, life, kRank}) % static_cast<std::uint64_t>(fault.ranks));
  if (fault.rank >= fault.ranks)
    throw Fault(ExitCode::kUsage,
                fmt::format("there is no rank {} for the {} at step {}: that life has {}", fault.rank,
                            word_for(fault.kind), fault.step, fault.ranks),
                "Ranks count from 0");
}

}  // namespace

int ranks_of_life(const std::vector<int>& ranks, std::size_t life) {
  check(!ranks.empty(), "a drill has a number of ranks");
  return ranks[life % ranks.size()];
}

std::vector<Disturbance> plan_drill(const DrillWishes& wishes) {
  std::vector<Disturbance> faults = read_chosen(wishes);
  if (faults.empty()) {
    faults = draw_faults(wishes);
  } else {
    std::stable_sort(faults.begin(), faults.end(),
                     [](const auto& a, const auto& b) { return a.step < b.step; });
  }
  for (std::size_t i = 0; i < faults.size(); ++i) place(faults[i], i, wishes);
  return faults;
}

}  // namespace lockstep
