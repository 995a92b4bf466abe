// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/manifest.h"
#include "checkpoint/state.h"
#include "hdf5/layout.h"

namespace lockstep {

// The member of a manifest's `extra` that tells that metrics and best were added after the save: the best of
// before.
inline constexpr const char* kBestAsSaved = "best_as_saved";

// Local, before metrics and best of a committed record are changed: keeps in `extra` what its files say.
void note_as_saved(TrainRecord& record);

// Local. Where a tensor lies in every file of a checkpoint: "/" and its group and name, the name as
// encode_link() has it.
std::string dataset_path(const TensorKey& key);

// Local. What checkpoint.h5 or a shard holds: /model, /optimizer/<slot>, /extra/<section> and /train with
// the record as attributes; datasets in the order of `tensors`. Throws Bug for a slot or section that is no
// plain word.
Hdf5Plan plan_checkpoint_file(const TrainRecord& record, std::span<const StateTensor> tensors);

// Local. The groups of index.h5: those of checkpoint.h5.
std::vector<Hdf5Group> index_groups(const Manifest& manifest);

// Local. What a weights-only file holds: /model alone, whose attributes say which checkpoint it was made from
// and carry the digest of each tensor. `tensors` are the model's, in the order of the manifest's model part.
Hdf5Plan plan_weights_file(const Manifest& from, std::span<const StateTensor> tensors);

// Local. The groups of a weights file that was not made from a checkpoint of ours: `digests` is the JSON text
// of its tensors' digests, `slots` those of an optimizer whose model is not known.
std::vector<Hdf5Group> imported_groups(std::optional<std::int64_t> step, const std::string& digests,
                                       const std::vector<std::string>& slots);

}  // namespace lockstep
