// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/hdf5/layout.h"

#include <algorithm>
#include <numeric>

#include "checkpoint/hdf5/draft.h"
#include "checkpoint/hdf5/types.h"

namespace lockstep {

namespace {

std::vector<std::uint64_t> create_datasets(const Hdf5Draft& draft, const std::vector<Hdf5Dataset>& datasets) {
  const Hdf5Session& hdf5 = draft.session();
  const Hdf5Handle creation = hdf5.own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "making a property list");
  hdf5.ok(H5Pset_layout(creation.get(), H5D_CONTIGUOUS), "choosing contiguous storage");
  hdf5.ok(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY), "choosing early allocation");
  // A fill would write, and so make real, every page of the payload.
  hdf5.ok(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), "switching fill off");
  hdf5.ok(H5Pset_obj_track_times(creation.get(), false), "switching times off");
  std::vector<std::uint64_t> offsets;
  offsets.reserve(datasets.size());
  for (const Hdf5Dataset& dataset : datasets) {
    const Hdf5Handle type = hdf5_type_of(hdf5, dataset.dtype);
    const Hdf5Handle space = draft.create_space(dataset.shape);
    const Hdf5Handle object = hdf5.own(H5Dcreate2(draft.file(), dataset.path.c_str(), type.get(), space.get(),
                                                  H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                                       H5Dclose, "creating dataset " + dataset.path);
    const haddr_t offset = H5Dget_offset(object.get());
    const bool empty = element_count(dataset.shape) == 0;
    if (!empty && offset == HADDR_UNDEF) hdf5.fail("placing dataset " + dataset.path);
    offsets.push_back(empty ? 0 : offset);
  }
  return offsets;
}

// Everything between the datasets.
std::vector<Hdf5MetadataRun> collect_metadata(const Hdf5Draft& draft, const Hdf5Plan& plan,
                                              const Hdf5Layout& layout) {
  std::vector<std::size_t> order(plan.datasets.size());
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](std::size_t i) { return element_count(plan.datasets[i].shape) == 0; });
  std::sort(order.begin(), order.end(),
            [&](auto a, auto b) { return layout.offsets[a] < layout.offsets[b]; });
  std::vector<Hdf5MetadataRun> runs;
  std::uint64_t at = 0;
  const auto run_until = [&](std::uint64_t end) {
    check(at <= end, "HDF5 places datasets without overlap");
    if (at < end) runs.push_back({at, draft.read(at, end)});
  };
  for (const std::size_t i : order) {
    run_until(layout.offsets[i]);
    const Hdf5Dataset& dataset = plan.datasets[i];
    at =
        layout.offsets[i] + static_cast<std::uint64_t>(element_count(dataset.shape)) * size_of(dataset.dtype);
  }
  run_until(layout.file_bytes);
  return runs;
}

}  // namespace

Hdf5Layout lay_out(const Hdf5Plan& plan) {
  Hdf5Draft draft(plan.datasets.size());
  Hdf5Layout layout;
  draft.create_groups(plan.groups);
  layout.offsets = create_datasets(draft, plan.datasets);
  layout.file_bytes = draft.close();
  layout.metadata = collect_metadata(draft, plan, layout);
  return layout;
}

}  // namespace lockstep
