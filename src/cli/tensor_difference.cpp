// SPDX-License-Identifier: Apache-2.0
#include "cli/tensor_difference.h"

#include <fmt/format.h>

#include <filesystem>

#include "cli/ckpt_common.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "named/find_checkpoint.h"
#include "named/open_weights.h"

namespace lockstep {

namespace {

using Outcome = TensorComparison::Outcome;

}  // namespace

std::unique_ptr<TensorSource> open_tensors(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    throw Fault(ExitCode::kInputMissing, path + ": no such file or directory",
                "Give a checkpoint, a run directory or a weights file");
  const bool directory = std::filesystem::is_directory(path, error) || checkpoint_of_file(path);
  return open_tensor_source(real_disk(), directory ? one_checkpoint(resolve_ckpt(path)) : path);
}

const char* word_for(Outcome outcome) {
  switch (outcome) {
    case Outcome::kEqual:
      return "equal";
    case Outcome::kDifferent:
      return "different";
    case Outcome::kOtherDType:
      return "other dtype";
    case Outcome::kOtherShape:
      return "other shape";
    case Outcome::kOnlyInFirst:
      return "only in the first";
    case Outcome::kOnlyInSecond:
      return "only in the second";
  }
  return "";
}

std::string difference_line(const TensorComparison& row) {
  if (row.outcome != Outcome::kDifferent)
    return fmt::format("{:<52} {}{}\n", printable(row.path), word_for(row.outcome),
                       row.note.empty() ? "" : ": " + row.note);
  return fmt::format("{:<52} different: max abs {:.6g}, max rel {:.6g}, worst at {}\n", printable(row.path),
                     row.max_abs, row.max_rel, shape_text(row.index));
}

}  // namespace lockstep
