// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "exchange/formats/value.h"

namespace lockstep {

// Local. A value as a pickle of protocol 2 in the form torch.save gives it, which
// torch.load(weights_only=True) takes: nothing is named in it but OrderedDict, torch's rebuild functions,
// storage types and dtypes. Throws Bug for a value that is no plain one.
std::string write_pickle(const PyValue& root);

// A tensor that fills the storage `key` from end to end.
TensorRef whole_storage(const std::string& key, DType dtype, const Shape& shape);

}  // namespace lockstep
