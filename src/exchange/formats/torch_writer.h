// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "exchange/formats/outgoing.h"
#include "exchange/formats/value.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// Local. Writes a file that torch.load(weights_only=True) reads into `root`, in the zip layout of PyTorch 1.6
// and later. The tensors of `root` are made by whole_storage(); each key is the name of one of `storages`.
// Returns the length. Throws Fault (74), and what a tensor's fill() throws.
std::uint64_t write_torch_file(WritableFile& file, const PyValue& root,
                               std::span<const OutgoingTensor> storages);

}  // namespace lockstep
