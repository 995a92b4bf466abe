// SPDX-License-Identifier: Apache-2.0
#include "data/formats/builtin.h"

namespace lockstep {

// Defined here and not beside add() and open(): those know no format.
DatasetRegistry DatasetRegistry::with_builtin() {
  DatasetRegistry registry;
  // Messages and the help list the types in this order.
  registry.add("text", open_text);
  registry.add("tokens", open_tokens);
  registry.add("idx", open_idx);
  registry.add("cifar10", open_cifar10);
  registry.add("hdf5", open_hdf5);
  registry.add("npz", open_npz_data);
  registry.add("synthetic", open_synthetic);
  return registry;
}

}  // namespace lockstep
