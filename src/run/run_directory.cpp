// SPDX-License-Identifier: Apache-2.0
#include "run/run_directory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/folder_owner.h"
#include "base/run_layout.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

std::string new_run_id() {
  // Needs no descriptor, unlike std::random_device: too few of them is the run directory's error to tell.
  std::uint64_t id = 0;
  check(::getentropy(&id, sizeof id) == 0, "the kernel gives eight random bytes");
  return fmt::format("{:016x}", id);
}

Fault unusable(const std::string& path, const std::string& why) {
  return Fault(ExitCode::kRunDirectory, fmt::format("run directory {}: {}", path, why),
               "Make it writable, or choose another run.dir");
}

}  // namespace

std::string behind_links(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::string given = path;
  while (given.size() > 1 && given.back() == '/') given.pop_back();
  const fs::path real = fs::weakly_canonical(given, error);
  if (error) return given;  // whoever makes it will say why
  for (fs::path part = real; part.has_relative_path(); part = part.parent_path())
    if (fs::is_symlink(part, error))
      throw Fault(ExitCode::kRunDirectory,
                  fmt::format("run directory {}: {} is a symbolic link to a folder that does not exist",
                              printable(path), printable(part.string())),
                  "Make the folder it leads to, or choose another run.dir");
  return real == fs::absolute(given).lexically_normal() ? given : real.string();
}

RunDirectory::RunDirectory(Disk& disk, const RunDirectoryOptions& options)
    : disk_(disk), name_(options.name), path_(options.dir) {
  for (const std::string& folder : {path_, RunLayout(path_).logs(), checkpoints()}) make_own_folder(folder);
  lock_ = std::make_unique<RunLock>(path_, options.job);
  try {
    read_history();
    replace_text(disk_, RunLayout(path_).identity(),
                 Json{{"name", name_}, {"run_id", run_id_}, {"attempts", attempt_.value}}.dump(2) + "\n");
    keep_config(options.config_text);
    was_done_ = disk_.info(RunLayout(path_).done()).has_value();
  } catch (const Fault& fault) {
    throw unusable(path_, fault.fact());
  }
}

// Each before anything is made in it, so that another user's is left as it was.
void RunDirectory::make_own_folder(const std::string& folder) {
  try {
    make_directories(disk_, folder);
  } catch (const Fault& fault) {
    throw unusable(path_, fault.fact());
  }
  refuse_folder_of_another(folder);
}

void RunDirectory::read_history() {
  run_id_ = new_run_id();
  const std::string path = RunLayout(path_).identity();
  if (!disk_.info(path)) return;
  const Json json = Json::parse(read_text(disk_, path), nullptr, /*allow_exceptions=*/false);
  // Far more lives than a run has, and few enough to be counted on.
  constexpr std::int64_t kMostAttempts = 1'000'000'000;
  const auto attempts = [&] { return json["attempts"].get<std::int64_t>(); };
  if (!json.is_object() || !json.contains("run_id") || !json["run_id"].is_string() ||
      !json.contains("attempts") || !json["attempts"].is_number_integer() || attempts() < 0 ||
      attempts() > kMostAttempts) {
    log_warning("{}: cannot be read; attempts are counted anew", path);
    return;
  }
  run_id_ = json["run_id"].get<std::string>();
  attempt_ = Attempt(static_cast<int>(attempts() + 1));
}

void RunDirectory::keep_config(const std::string& text) {
  const std::string path = RunLayout(path_).config();
  if (!disk_.info(path)) {
    replace_text(disk_, path, text);
  } else if (read_text(disk_, path) != text) {
    // Nothing is overwritten: what the first attempt ran with stays readable.
    replace_text(disk_, fmt::format("{}/config.attempt-{}.yaml", path_, attempt_.value), text);
  }
}

void RunDirectory::reopen() {
  if (disk_.info(RunLayout(path_).done())) disk_.remove(RunLayout(path_).done());
}

void RunDirectory::finish(const Completion& done) {
  replace_text(
      disk_, RunLayout(path_).done(),
      Json{{"step", done.step.value}, {"epoch", done.epoch.value}, {"state_hash", done.state_hash.hex()}}
              .dump() +
          "\n");
}

}  // namespace lockstep
