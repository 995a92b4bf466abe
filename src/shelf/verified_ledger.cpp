// SPDX-License-Identifier: Apache-2.0
#include "shelf/verified_ledger.h"

#include <algorithm>
#include <sstream>

#include "checkpoint/catalog.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {

namespace {

constexpr std::uint64_t kMaxLedger = 1u << 20;

std::string name_in_folder(const CheckpointReader& checkpoint) {
  return checkpoint.directory().substr(checkpoint.directory().rfind('/') + 1);
}

}  // namespace

VerifiedLedger::VerifiedLedger(Disk& disk, std::string folder) : disk_(disk), folder_(std::move(folder)) {}

VerifiedLedger::VerifiedLedger(Disk& disk, std::string folder, const Generation& generation)
    : disk_(disk), folder_(std::move(folder)), generation_(&generation) {}

// "good step-00001200 <32 hex digits>"; anything else is no line.
std::optional<VerifiedLedger::Line> VerifiedLedger::parse(const std::string& text) {
  std::istringstream words(text);
  std::string verdict, directory, seen, rest;
  words >> verdict >> directory >> seen;
  const auto digest = Digest::from_hex(seen);
  if ((verdict != "good" && verdict != "bad") || !digest || words >> rest ||
      directory.find('/') != std::string::npos || !step_of_directory(directory))
    return std::nullopt;
  return Line{directory, verdict == "good" ? Soundness::kGood : Soundness::kBad, *digest};
}

std::string VerifiedLedger::text() const try {
  const std::string path = folder_ + "/" + kLedgerFile;
  return disk_.info(path) ? read_text(disk_, path, kMaxLedger) : "";
} catch (const Fault&) {
  // An unreadable hint is no hint.
  return "";
}

std::vector<VerifiedLedger::Line> VerifiedLedger::lines() const {
  std::vector<Line> out;
  std::istringstream all(text());
  for (std::string line; std::getline(all, line);)
    if (auto parsed = parse(line)) out.push_back(std::move(*parsed));
  return out;
}

Digest VerifiedLedger::as_it_lies(const CheckpointReader& checkpoint) const {
  Hasher hasher;
  hasher.update(checkpoint.manifest().digest);
  for (const ManifestFile& file : checkpoint.manifest().files) {
    const auto info = disk_.info(checkpoint.directory() + "/" + file.name);
    hasher.update_u64(info ? info->bytes : ~std::uint64_t{0});
    hasher.update_u64(info ? static_cast<std::uint64_t>(info->modified_ns) : 0);
  }
  return hasher.digest();
}

std::optional<Soundness> VerifiedLedger::of(const CheckpointReader& checkpoint) const try {
  const std::string name = name_in_folder(checkpoint);
  for (const Line& line : lines())
    if (line.directory == name && line.seen == as_it_lies(checkpoint)) return line.verdict;
  return std::nullopt;
} catch (const Fault&) {
  return std::nullopt;
}

bool VerifiedLedger::note(const CheckpointReader& checkpoint, Soundness verdict) try {
  if (fault_requested("guard.skip_ledger")) return true;
  const Line now{name_in_folder(checkpoint), verdict, as_it_lies(checkpoint)};
  if (!step_of_directory(now.directory)) return false;
  std::vector<Line> all = lines();
  std::erase_if(all, [&](const Line& line) {
    return line.directory == now.directory || !disk_.info(folder_ + "/" + line.directory);
  });
  all.push_back(now);
  std::sort(all.begin(), all.end(), [](const Line& a, const Line& b) { return a.directory < b.directory; });
  std::string wanted;
  for (const Line& line : all)
    wanted +=
        (line.verdict == Soundness::kGood ? "good " : "bad ") + line.directory + " " + line.seen.hex() + "\n";
  // What says so already costs no write.
  if (text() == wanted) return true;
  const std::string path = folder_ + "/" + kLedgerFile;
  generation_ ? generation_->replace(path, wanted) : replace_text(disk_, path, wanted);
  return true;
} catch (const Fault&) {
  return false;
}

}  // namespace lockstep
