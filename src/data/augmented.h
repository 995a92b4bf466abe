// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "lockstep/data/dataset.h"
#include "lockstep/data/options.h"

namespace lockstep {

// Local. The same samples; in training their images are flipped and moved by chance, as data.augment says, by
// numbers that depend on run.seed, the epoch and the sample alone. An image is a field [channels, height,
// width] of bytes or floats beside the target; with it move all other fields beside the target whose last
// two dimensions are its height and width. What comes in from outside is 0. Throws Fault (78) where there is
// no image, none that is larger than the crop, or a target of more than one number, which would not move.
std::unique_ptr<Dataset> augmented(std::unique_ptr<Dataset> dataset, const ImageAugmentation& how);

}  // namespace lockstep
