// SPDX-License-Identifier: Apache-2.0
#include "drill/drill_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace lockstep {
namespace {

constexpr std::size_t kColumns = 8;
using Cells = std::array<std::string, kColumns>;

std::string seconds_text(const std::optional<double>& seconds) {
  return seconds ? fmt::format("{:.2f}", *seconds) : "-";
}

std::string step_text(const StruckFault& fault) {
  if (fault.step > 0) return std::to_string(fault.step);
  return fault.plan.step == 0 ? "start-up" : std::to_string(fault.plan.step);
}

std::string lost_text(const StruckFault& fault) {
  if (fault.lost_commit()) return fmt::format("{}, commit {} lost", fault.steps_lost(), fault.newest_commit);
  return std::to_string(fault.steps_lost());
}

std::string bits_text(const StruckFault& fault, std::string& difference) {
  if (!fault.struck()) return "not struck: the run had ended";
  if (fault.plan.kind != FaultKind::kFullDisk && !fault.restart_s) return "did not come back";
  if (!fault.same) return "-";
  if (*fault.same) return "yes";
  return "no" + (difference.empty() ? "" : ": " + std::exchange(difference, ""));
}

Cells cells_of(const StruckFault& fault, std::string& difference) {
  const std::string ranks = fault.next_ranks == fault.plan.ranks || fault.next_ranks == 0
                                ? std::to_string(fault.plan.ranks)
                                : fmt::format("{} then {}", fault.plan.ranks, fault.next_ranks);
  return {word_for(fault.plan.kind),
          std::to_string(fault.plan.rank),
          step_text(fault),
          ranks,
          seconds_text(fault.detect_s),
          seconds_text(fault.restart_s),
          fault.struck() ? lost_text(fault) : "-",
          bits_text(fault, difference)};
}

nlohmann::ordered_json number(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(std::round(*value * 1000) / 1000) : nlohmann::ordered_json();
}

}  // namespace

std::string drill_table(const std::vector<StruckFault>& faults, const std::string& difference) {
  std::vector<Cells> rows = {
      {"fault", "rank", "step", "ranks", "noticed s", "trains again s", "steps lost", "same bits"}};
  std::string untold = difference;
  for (const StruckFault& fault : faults) rows.push_back(cells_of(fault, untold));
  std::array<std::size_t, kColumns> widths{};
  for (const Cells& row : rows)
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const Cells& row : rows) {
    for (std::size_t i = 0; i + 1 < kColumns; ++i) text += fmt::format("{:<{}}  ", row[i], widths[i]);
    text += row.back() + "\n";
  }
  return text;
}

nlohmann::ordered_json drill_rows(const std::vector<StruckFault>& faults) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const StruckFault& fault : faults) {
    rows.push_back(
        {{"fault", word_for(fault.plan.kind)},
         {"rank", fault.plan.rank},
         {"planned_step", fault.plan.step},
         {"step", fault.step},
         {"ranks", fault.plan.ranks},
         {"next_ranks", fault.next_ranks},
         {"struck", fault.struck()},
         {"detect_s", number(fault.detect_s)},
         {"restart_s", number(fault.restart_s)},
         {"steps_lost", fault.steps_lost()},
         {"lost_commit", fault.lost_commit()},
         {"same_bits", fault.same ? nlohmann::ordered_json(*fault.same) : nlohmann::ordered_json()}});
  }
  return rows;
}

std::vector<std::string> what_went_wrong(const DrilledRun& disturbed, bool same_bits) {
  std::vector<std::string> wrong = disturbed.finds;
  if (disturbed.code != 0) wrong.push_back(fmt::format("the disturbed run ended with {}", disturbed.code));
  for (const StruckFault& fault : disturbed.faults) {
    const std::string name = fmt::format("the {} of rank {} after step {}", word_for(fault.plan.kind),
                                         fault.plan.rank, step_text(fault));
    if (!fault.struck())
      wrong.push_back(name + " was not struck: the run had ended");
    else if (disturbed.code == 0 && fault.plan.kind != FaultKind::kFullDisk && !fault.restart_s)
      wrong.push_back(name + " did not come back");
    else if (fault.lost_commit())
      wrong.push_back(fmt::format("{} lost the checkpoint of step {}", name, fault.newest_commit));
  }
  if (disturbed.code == 0 && !same_bits) wrong.emplace_back("the bits are not the same");
  return wrong;
}

}  // namespace lockstep
