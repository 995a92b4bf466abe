// SPDX-License-Identifier: Apache-2.0
#include "train/restore_places.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "lockstep/base/error.h"
#include "shelf/options.h"

namespace lockstep {
namespace {

constexpr int kFirstThatSaysFrozen = 3;
constexpr std::size_t kMostNamed = 5;

std::string listed(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kMostNamed);
  const std::string first = fmt::format("{}", fmt::join(names.begin(), names.begin() + shown, ", "));
  return shown == names.size() ? first : fmt::format("{} and {} more", first, names.size() - shown);
}

void require_allowed(const RestorePlaces& places, Step step, const std::vector<std::string>& allowed) {
  if (places.thawed.empty() && places.frozen.empty()) return;
  for (const std::string& name : allowed)
    if (name == kModelFrozen || std::string(kModelFrozen).starts_with(name + ".")) return;
  std::string fact = fmt::format("since the checkpoint of step {}", step.value);
  if (!places.thawed.empty()) fact += fmt::format(", {} became trainable", listed(places.thawed));
  if (!places.frozen.empty())
    fact += fmt::format("{} {} became frozen", places.thawed.empty() ? "," : " and", listed(places.frozen));
  throw Fault(
      ExitCode::kConfig, fact,
      fmt::format("Set requires_grad as it was, or allow it: resume.allow_changes=[{}]; the optimizer "
                  "state of what is thawed starts at zero",
                  kModelFrozen));
}

// One for all unless there are several; a parameter may itself be called like the one for all.
bool has_one_step(const Manifest& manifest) {
  return 1 >= std::count_if(manifest.tensors.begin(), manifest.tensors.end(),
                            [](const ManifestTensor& tensor) { return tensor.key.slot == kStepSlot; });
}

}  // namespace

RestorePlaces restore_places(TrainingState& state, const Manifest& manifest,
                             const std::vector<std::string>& allowed) {
  RestorePlaces places;
  const bool says_frozen = manifest.format >= kFirstThatSaysFrozen;
  const auto& then = manifest.record.frozen;
  const std::set<std::string> frozen_then(then.begin(), then.end());
  std::set<std::string> frozen_now;
  for (const ArenaEntry& entry : state.arena().frozen()) {
    frozen_now.insert(entry.name);
    if (says_frozen && !frozen_then.contains(entry.name)) places.frozen.push_back(entry.name);
  }
  for (const ArenaEntry& entry : state.arena().trainable())
    if (frozen_then.contains(entry.name)) places.thawed.push_back(entry.name);
  require_allowed(places, manifest.record.step, allowed);
  places.tensors = state.places({has_one_step(manifest), {places.thawed.begin(), places.thawed.end()}});
  for (const ManifestTensor& stored : manifest.tensors) {
    if (!stored.key.in_optimizer() || !frozen_now.contains(stored.key.name)) continue;
    places.dropped.emplace_back(byte_count(stored));
    places.tensors.push_back({stored, places.dropped.back()});
  }
  return places;
}

}  // namespace lockstep
