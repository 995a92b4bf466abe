// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include "checkpoint/reader.h"
#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

void show(const std::string& directory, bool json) {
  const auto reader = CheckpointReader::open(real_disk(), one_checkpoint(resolve_ckpt(directory)));
  // The manifest is JSON already, and a reader of it should see exactly what is on disk.
  if (json) return print(read_text(real_disk(), reader->directory() + "/" + kManifestFile));
  const TrainRecord& record = reader->record();
  print(
      fmt::format("checkpoint  {}\nrun         {}\nformat      {} ({})\nstep        {}\nepoch       {}\nloss "
                  "       {}\nlr          {}\n",
                  reader->directory(), printable(record.run_id), reader->manifest().format,
                  reader->manifest().layout, record.step.value, record.epoch.value, record.loss, record.lr));
  for (const auto& [name, value] : record.metrics) print(fmt::format("{:<11} {}\n", printable(name), value));
  print(
      fmt::format("seed        {}\nworld       {} ranks, {} micro-batches a step, attempt {}\nmetadata    "
                  "{}\nstate hash  {}\n",
                  record.seed, record.world.value, record.micro_batches, record.attempt.value,
                  printable(record.metadata), reader->state_hash().hex()));
  print(fmt::format("\n{} tensors, {} bytes\n", reader->manifest().tensors.size(),
                    total_bytes(reader->manifest())));
  for (const ManifestTensor& tensor : reader->manifest().tensors)
    print(fmt::format("  {:<52} {:<10} {}\n", printable(tensor.key.path()), name_of(tensor.dtype),
                      shape_text(tensor.shape)));
}

}  // namespace

void add_ckpt_show(CLI::App& ckpt) {
  CLI::App* verb = ckpt.add_subcommand("show",
                                       "Examples:\n"
                                       "  lockstep ckpt show runs/digits\n"
                                       "  lockstep ckpt show runs/digits/ckpt/step-00000400 --json\n\n"
                                       "Shows what a checkpoint holds; of a run directory, the newest.");
  const auto directory = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  verb->add_option("DIR", *directory, "A run directory, its ckpt folder, or a checkpoint")->required();
  verb->add_flag("--json", *json, "Print the manifest as it is");
  verb->callback([directory, json] { show(*directory, *json); });
}

}  // namespace lockstep
