// SPDX-License-Identifier: Apache-2.0
#include "named/open_weights.h"

#include <filesystem>
#include <string_view>

#include "exchange/foreign_weights.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "named/find_checkpoint.h"
#include "named/what_is.h"

namespace lockstep {

namespace {

constexpr std::string_view kWholeFile = "/checkpoint.h5";

}  // namespace

std::unique_ptr<WeightsSource> open_weights(const std::string& path) {
  // Resolved first: a link the user names is meant, one planted inside a checkpoint is not.
  const WhatIs what = what_is(path);
  switch (what.kind) {
    case PathKind::kCheckpoint:
      return checkpoint_weights(what.place);
    case PathKind::kRun:
    case PathKind::kCheckpoints: {
      const std::string newest = checkpoint_named(path);
      log_info("{}: {}; its newest checkpoint is {}", path, what.words, newest);
      return checkpoint_weights(newest);
    }
    case PathKind::kForeign:
      return open_foreign_weights(path);
    case PathKind::kOtherFolder:
      throw Fault(ExitCode::kNoValidCheckpoint, path + ": " + what.words,
                  "Give a weights file, a checkpoint, a run directory or its ckpt folder");
    default:
      // A pointer, or one file of several. All that a checkpoint.h5 holds is in it.
      if (const auto checkpoint = checkpoint_of_file(path); checkpoint && !what.place.ends_with(kWholeFile))
        return checkpoint_weights(*checkpoint);
      return read_weights_file(path);
  }
}

std::unique_ptr<TensorSource> open_tensor_source(Disk& disk, const std::string& path) {
  std::error_code ignored;
  // A link the user names is meant, one planted inside a checkpoint is not.
  const auto resolved = std::filesystem::canonical(path, ignored);
  if (std::filesystem::is_directory(resolved, ignored)) return checkpoint_tensors(disk, resolved.string());
  return weights_tensors(open_weights(path));
}

}  // namespace lockstep
