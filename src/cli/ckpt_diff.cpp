// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "cli/tensor_difference.h"
#include "exchange/compare.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

using Outcome = TensorComparison::Outcome;

struct DiffArguments {
  std::string first;
  std::string second;
  bool json = false;
};

// As diff and cmp have it; the other codes mean what they mean everywhere.
constexpr int kDifferent = 1;

// JSON has no NaN and no infinity: null, as in the manifest.
OrderedJson as_json(const TensorComparison& row) {
  const bool compared = row.outcome == Outcome::kEqual || row.outcome == Outcome::kDifferent;
  const auto number = [&](double value) {
    return compared && std::isfinite(value) ? OrderedJson(value) : OrderedJson();
  };
  OrderedJson json{{"name", row.path},
                   {"equal", row.outcome == Outcome::kEqual},
                   {"max_abs", number(row.max_abs)},
                   {"max_rel", number(row.max_rel)},
                   {"index", row.outcome == Outcome::kDifferent ? OrderedJson(row.index) : OrderedJson()}};
  if (!compared) json["reason"] = word_for(row.outcome) + (row.note.empty() ? "" : ": " + row.note);
  return json;
}

int diff(const DiffArguments& arguments) {
  const auto first = open_tensors(arguments.first);
  const auto second = open_tensors(arguments.second);
  const Comparison comparison = compare_tensors(*first, *second);
  OrderedJson rows = OrderedJson::array();
  std::size_t different = 0;
  for (const TensorComparison& row : comparison.rows) {
    different += row.outcome == Outcome::kEqual ? 0 : 1;
    if (arguments.json)
      rows.push_back(as_json(row));
    else if (row.outcome != Outcome::kEqual)
      print(difference_line(row));
  }
  if (arguments.json) {
    print(pretty(rows));
  } else {
    if (comparison.model_only) print("only the model parts are compared: one side has no optimizer state\n");
    print(different == 0 ? fmt::format("equal: {} tensors\n", comparison.rows.size())
                         : fmt::format("{} of {} tensors differ\n", different, comparison.rows.size()));
  }
  return comparison.equal() ? static_cast<int>(ExitCode::kDone) : kDifferent;
}

}  // namespace

void add_ckpt_diff(CLI::App& ckpt, int& exit_code) {
  CLI::App* verb = ckpt.add_subcommand(
      "diff",
      "Examples:\n"
      "  lockstep ckpt diff runs/a/ckpt/step-00000400 runs/b/ckpt/step-00000400\n"
      "  lockstep ckpt diff runs/digits runs/digits/weights.h5 --json\n\n"
      "Compares two checkpoints or weights files tensor by tensor, bit for bit: 0 equal, 1 different, 65 "
      "unreadable. The relative difference is |a - b| / max(|a|, |b|); beside NaN both are null.");
  const auto arguments = std::make_shared<DiffArguments>();
  verb->add_option("A", arguments->first, "A checkpoint, a run directory (its newest) or a weights file")
      ->required();
  verb->add_option("B", arguments->second, "What to compare it with")->required();
  verb->add_flag("--json", arguments->json, "One row a tensor: name, equal, max_abs, max_rel, index");
  verb->callback([arguments, &exit_code] { exit_code = diff(*arguments); });
}

}  // namespace lockstep
