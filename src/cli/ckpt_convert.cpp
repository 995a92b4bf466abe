// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "lockstep/base/error.h"
#include "shelf/convert.h"

namespace lockstep {
namespace {

struct ConvertArguments {
  std::string from;
  std::string to;
  std::string layout;
  int shards = 0;  // 0: not given
  bool json = false;
};

void convert(const ConvertArguments& arguments) {
  const bool sharded = arguments.layout == kSharded;
  if (!sharded && arguments.shards > 0)
    throw Fault(ExitCode::kUsage, "--shards has no effect on a consolidated checkpoint, which is one file",
                "Leave it out, or say --layout sharded");
  const auto from = CheckpointReader::open(real_disk(), one_checkpoint(resolve_ckpt(arguments.from)));
  const int shards = !sharded ? 1 : arguments.shards > 0 ? arguments.shards : from->record().world.value;
  const Committed made = convert_checkpoint(real_disk(), *from, arguments.to, {arguments.layout, shards});
  if (arguments.json)
    return print(pretty({{"from", from->directory()},
                         {"to", arguments.to},
                         {"layout", arguments.layout},
                         {"shards", shards},
                         {"bytes", made.bytes},
                         {"state_hash", made.state_hash.hex()}}));
  print(fmt::format("{}: {} bytes, {}{}, state hash {}\n", arguments.to, made.bytes, arguments.layout,
                    sharded ? fmt::format(" in {} shards", shards) : "", made.state_hash.hex()));
}

}  // namespace

void add_ckpt_convert(CLI::App& ckpt) {
  CLI::App* verb = ckpt.add_subcommand(
      "convert",
      "Examples:\n"
      "  lockstep ckpt convert runs/digits --layout sharded --shards 4 -o digits-in-4\n"
      "  lockstep ckpt convert digits-in-4 --layout consolidated -o digits-in-1 --json\n\n"
      "Writes a checkpoint anew in another layout; of a run directory, the newest. The state stays the "
      "same.");
  const auto arguments = std::make_shared<ConvertArguments>();
  verb->add_option("DIR", arguments->from, "A checkpoint, a run directory or its ckpt folder")->required();
  verb->add_option("--layout", arguments->layout, "sharded or consolidated")
      ->required()
      ->check(CLI::IsMember({kSharded, kConsolidated}));
  verb->add_option("--shards", arguments->shards,
                   "How many shards; without it, as many as ranks wrote the checkpoint")
      ->check(CLI::Range(1, 99'999));
  verb->add_option("-o,--output", arguments->to, "The new checkpoint's directory, which must not be there")
      ->required();
  verb->add_flag("--json", arguments->json, "Print JSON");
  verb->callback([arguments] { convert(*arguments); });
}

}  // namespace lockstep
