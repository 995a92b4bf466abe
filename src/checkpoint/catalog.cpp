// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

namespace lockstep {

namespace {

constexpr std::string_view kPrefix = "step-";

// A symbolic link is no directory here, whatever it leads to: planted ones are not followed.
EntryKind kind_of(std::string_view name, bool is_directory) {
  if (!is_directory) return EntryKind::kForeign;
  if (step_from_name(name)) return EntryKind::kCheckpoint;
  if (name.starts_with(".staging-") || name.starts_with(".trash-")) return EntryKind::kUnfinished;
  if (!step_of_directory(name)) return EntryKind::kForeign;
  return name.find(".bad") != std::string_view::npos ? EntryKind::kBad : EntryKind::kLeft;
}

}  // namespace

std::string step_directory(Step step) {
  return fmt::format("{}{:08}", kPrefix, step.value);
}

std::optional<Step> step_from_name(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size());
  Step step;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), step.value);
  // Comparing with what we would write refuses signs, missing and superfluous zeros.
  if (error != std::errc() || end != digits.data() + digits.size() || step.value < 0 ||
      step_directory(step) != name)
    return std::nullopt;
  return step;
}

std::optional<Step> step_of_directory(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.find('.');
  const std::string_view rest = dot == std::string_view::npos ? "" : name.substr(dot);
  const bool ours = rest.empty() || rest == ".bad" || rest.starts_with(".bad-") || rest.starts_with(".left-");
  return ours ? step_from_name(name.substr(0, dot)) : std::nullopt;
}

std::vector<CatalogEntry> list_catalog(Disk& disk, const std::string& directory) {
  std::vector<CatalogEntry> entries;
  if (!disk.info(directory)) return entries;
  for (const std::string& name : disk.list(directory)) {
    const auto info = disk.info(directory + "/" + name);
    // Removed since the listing.
    if (!info) continue;
    const EntryKind kind = kind_of(name, info->is_directory);
    entries.push_back({name, kind, step_of_directory(name).value_or(Step{0})});
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return std::tie(a.step, a.name) < std::tie(b.step, b.name); });
  return entries;
}

std::string free_name(Disk& disk, const std::string& directory, const std::string& name) {
  std::string candidate = name;
  for (int n = 2; disk.info(directory + "/" + candidate); ++n) candidate = fmt::format("{}-{}", name, n);
  return candidate;
}

}  // namespace lockstep
