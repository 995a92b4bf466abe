// SPDX-License-Identifier: Apache-2.0
#include "hdf5/laid_out_file.h"

#include <algorithm>
#include <numeric>

#include "hdf5/types.h"

namespace lockstep {

namespace {

std::vector<std::uint64_t> create_datasets(const Hdf5Draft& draft, const std::vector<TensorSpec>& datasets) {
  const Hdf5Session& hdf5 = draft.session();
  const Hdf5Handle creation = hdf5.own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "making a property list");
  hdf5.ok(H5Pset_layout(creation.get(), H5D_CONTIGUOUS), "choosing contiguous storage");
  hdf5.ok(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY), "choosing early allocation");
  // A fill would write, and so make real, every page of the payload.
  hdf5.ok(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), "switching fill off");
  hdf5.ok(H5Pset_obj_track_times(creation.get(), false), "switching times off");
  std::vector<std::uint64_t> offsets;
  offsets.reserve(datasets.size());
  for (const TensorSpec& dataset : datasets) {
    const Hdf5Handle type = hdf5_type_of(hdf5, dataset.dtype);
    const Hdf5Handle space = draft.create_space(dataset.shape);
    const Hdf5Handle object = hdf5.own(H5Dcreate2(draft.file(), dataset.name.c_str(), type.get(), space.get(),
                                                  H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                                       H5Dclose, "creating dataset " + dataset.name);
    const haddr_t offset = H5Dget_offset(object.get());
    const bool empty = element_count(dataset.shape) == 0;
    if (!empty && offset == HADDR_UNDEF) hdf5.fail("placing dataset " + dataset.name);
    offsets.push_back(empty ? 0 : offset);
  }
  return offsets;
}

void create_links(const Hdf5Draft& draft, const std::vector<Hdf5HardLink>& links) {
  for (const Hdf5HardLink& link : links)
    draft.session().ok(H5Lcreate_hard(draft.file(), link.target.c_str(), H5L_SAME_LOC, link.path.c_str(),
                                      H5P_DEFAULT, H5P_DEFAULT),
                       "linking " + link.path);
}

// Everything between the datasets, without its bytes.
std::vector<Hdf5MetadataRun> metadata_runs(const Hdf5Plan& plan, const Hdf5Layout& layout) {
  std::vector<std::size_t> order(plan.datasets.size());
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](std::size_t i) { return element_count(plan.datasets[i].shape) == 0; });
  std::sort(order.begin(), order.end(),
            [&](auto a, auto b) { return layout.offsets[a] < layout.offsets[b]; });
  std::vector<Hdf5MetadataRun> runs;
  std::uint64_t at = 0;
  const auto run_until = [&](std::uint64_t end) {
    check(at <= end, "HDF5 places datasets without overlap");
    if (at < end) runs.push_back({at, std::vector<std::byte>(end - at)});
  };
  for (const std::size_t i : order) {
    run_until(layout.offsets[i]);
    const TensorSpec& dataset = plan.datasets[i];
    at = layout.offsets[i] + byte_count(dataset);
  }
  run_until(layout.file_bytes);
  return runs;
}

bool same_place(const Hdf5Attribute& a, const Hdf5Attribute& b) {
  const auto* text = std::get_if<std::string>(&a.value);
  return a.name == b.name && a.value.index() == b.value.index() &&
         (text == nullptr || text->size() == std::get<std::string>(b.value).size());
}

bool same_place(const Hdf5Group& a, const Hdf5Group& b) {
  return a.path == b.path && std::ranges::equal(a.attributes, b.attributes, [](const auto& x, const auto& y) {
           return same_place(x, y);
         });
}

}  // namespace

LaidOutFile::LaidOutFile(const Hdf5Plan& plan) : plan_(plan), draft_(plan.datasets.size()) {
  draft_.create_groups(plan.groups);
  layout_.offsets = create_datasets(draft_, plan.datasets);
  create_links(draft_, plan.links);
  layout_.file_bytes = draft_.close();
  layout_.metadata = metadata_runs(plan, layout_);
  read_metadata();
}

void LaidOutFile::read_metadata() {
  for (Hdf5MetadataRun& run : layout_.metadata) draft_.read(run.offset, run.bytes);
}

bool LaidOutFile::fits(const Hdf5Plan& plan) const {
  return plan.datasets == plan_.datasets && plan.links == plan_.links &&
         std::ranges::equal(plan.groups, plan_.groups,
                            [](const auto& a, const auto& b) { return same_place(a, b); });
}

void LaidOutFile::rewrite(const Hdf5Plan& plan) {
  draft_.reopen();
  draft_.rewrite_attributes(plan.groups);
  check(draft_.close() == layout_.file_bytes, "new values of attributes leave the file as long as it was");
  plan_.groups = plan.groups;
  read_metadata();
}

}  // namespace lockstep
