// SPDX-License-Identifier: Apache-2.0
#include "named/find_checkpoint.h"

#include <filesystem>

#include "base/shell_word.h"
#include "checkpoint/index.h"
#include "checkpoint/manifest.h"
#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "named/what_is.h"
#include "shelf/pointer.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

bool is_part(const fs::path& file) {
  const std::string name = file.filename().string();
  std::error_code ignored;
  return (name == kManifestFile || name == "checkpoint.h5" || name == kIndexFile ||
          (name.starts_with("shard-") && name.ends_with(".h5"))) &&
         fs::is_regular_file(file.parent_path() / kManifestFile, ignored);
}

bool is_pointer(const fs::path& file) {
  return file.filename() == "latest" || file.filename() == "best";
}

std::string pointed_at(const fs::path& file) {
  const auto pointer = read_pointer(real_disk(), file.string());
  std::error_code ignored;
  const fs::path folder = pointer ? file.parent_path() / pointer->directory : fs::path();
  if (pointer && fs::is_directory(folder, ignored)) return folder.string();
  throw Fault(
      ExitCode::kInputMissing,
      printable(file.string()) + (pointer ? ": points at " + pointer->directory + ", which is not there"
                                          : ": not a pointer to a checkpoint"),
      "lockstep ckpt ls " + shell_word(file.parent_path().string()) + " lists what is there");
}

// How training starts from something that is no checkpoint.
std::string way_in(const WhatIs& what) {
  const std::string file = shell_word(what.place);
  if (what.kind == PathKind::kHdf5)
    return "It can only start a new run: set model.weights to it, or see lockstep ckpt show " + file;
  if (what.kind == PathKind::kForeign)
    return "Make a checkpoint of it: lockstep ckpt import " + file +
           " -c CONFIG -o DIR; or start a new run: set model.weights to it";
  return "Give a checkpoint, a run directory, its ckpt folder, or a latest or best in it";
}

}  // namespace

std::optional<std::string> checkpoint_of_file(const std::string& path) {
  std::error_code error;
  const fs::path file = fs::canonical(path, error);
  if (error || !fs::is_regular_file(file, error)) return std::nullopt;
  if (is_part(file)) return file.parent_path().string();
  if (is_pointer(file)) return pointed_at(file);
  return std::nullopt;
}

std::string find_checkpoint(const std::string& path) {
  if (const auto checkpoint = checkpoint_of_file(path)) return *checkpoint;
  const WhatIs what = what_is(path);
  switch (what.kind) {
    case PathKind::kCheckpoint:
    case PathKind::kRun:
    case PathKind::kCheckpoints:
      return checkpoint_named(path);
    case PathKind::kNothing:
      throw Fault(ExitCode::kInputMissing, printable(path) + ": nothing is there", way_in(what));
    default:
      throw Fault(ExitCode::kNoValidCheckpoint,
                  printable(path) + ": not a checkpoint to resume from, but " + what.words, way_in(what));
  }
}

}  // namespace lockstep
