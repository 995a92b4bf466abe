// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/reader.h"
#include "lockstep/base/disk.h"

namespace lockstep {

enum class ExportFormat { kPth, kSafetensors, kHdf5 };

struct ExportRequest {
  ExportFormat format = ExportFormat::kPth;
  bool weights_only = false;  // safetensors never holds more
  // safetensors: `path` becomes a folder of shards of about this size, and an index; 0: one file.
  std::uint64_t max_shard_bytes = 0;
  // What the Python model ties and a checkpoint has once: each further name of a tensor, and the name it is
  // stored under (models/python_names.h).
  std::map<std::string, std::string> second_names = {};
};

struct ExportReport {
  std::vector<std::string> files;
  std::size_t tensors = 0;                  // of the model, by name
  std::uint64_t bytes = 0;                  // of the files
  std::map<std::string, std::string> tied;  // second names, and the names they are second to
};

// Local. Writes a checkpoint as a file that Python reads: `.pth` (weights only, or with epoch, step, loss,
// metrics, metadata and torch.optim's state), safetensors, or HDF5. Tied weights are there under all names
// their Python model has. Every tensor is compared with its digest on the way. `path` appears whole and
// durable, or not at all. Throws Fault: 64 when `path` exists, 65 for damage, 74 for the disk.
ExportReport export_checkpoint(Disk& disk, const CheckpointReader& from, const std::string& path,
                               const ExportRequest& request);

}  // namespace lockstep
