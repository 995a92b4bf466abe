// SPDX-License-Identifier: Apache-2.0
#include "hdf5/index_layout.h"

#include <array>

#include "hdf5/draft.h"
#include "hdf5/types.h"

namespace lockstep {

namespace {

// The bits of a quiet NaN, little-endian, as the type is stored.
std::array<unsigned char, 8> nan_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
      return {0, 0, 0, 0, 0, 0, 0xf8, 0x7f};
    case DType::kFloat32:
      return {0, 0, 0xc0, 0x7f};
    case DType::kFloat16:
      return {0, 0x7e};
    case DType::kBFloat16:
      return {0xc0, 0x7f};
    case DType::kFloat8E4M3:
    case DType::kFloat8E5M2:
      return {0x7f};
    default:
      check(false, "only floats are split over files");
      return {};
  }
}

// A '%' in the source of a virtual dataset starts a format specifier.
std::string without_format(const std::string& path) {
  std::string out;
  for (const char c : path) out += c == '%' ? "%%" : std::string(1, c);
  return out;
}

void add_virtual(const Hdf5Draft& draft, const Hdf5IndexEntry& entry) {
  const Hdf5Session& hdf5 = draft.session();
  const TensorSpec& dataset = entry.dataset;
  const Hdf5Handle type = hdf5_type_of(hdf5, dataset.dtype);
  const Hdf5Handle creation = hdf5.own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "making a property list");
  hdf5.ok(H5Pset_obj_track_times(creation.get(), false), "switching times off");
  const auto nan = nan_of(dataset.dtype);
  hdf5.ok(H5Pset_fill_value(creation.get(), type.get(), nan.data()), "choosing NaN as fill");
  const Hdf5Handle whole = draft.create_space(dataset.shape);
  const std::string source = without_format(dataset.name);
  std::vector<hsize_t> start(dataset.shape.size(), 0);
  for (const Hdf5IndexPart& part : entry.parts) {
    Shape shape = dataset.shape;
    shape[0] = part.rows;
    const Hdf5Handle there = draft.create_space(shape);
    const std::vector<hsize_t> count(shape.begin(), shape.end());
    hdf5.ok(H5Sselect_hyperslab(whole.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr),
            "selecting rows of " + dataset.name);
    hdf5.ok(H5Pset_virtual(creation.get(), whole.get(), part.file.c_str(), source.c_str(), there.get()),
            "mapping rows of " + dataset.name);
    start[0] += static_cast<hsize_t>(part.rows);
  }
  hdf5.ok(H5Sselect_all(whole.get()), "selecting all of " + dataset.name);
  hdf5.own(H5Dcreate2(draft.file(), dataset.name.c_str(), type.get(), whole.get(), H5P_DEFAULT,
                      creation.get(), H5P_DEFAULT),
           H5Dclose, "creating dataset " + dataset.name);
}

}  // namespace

std::vector<std::byte> lay_out_index(const std::vector<Hdf5Group>& groups,
                                     const std::vector<Hdf5IndexEntry>& entries) {
  Hdf5Draft draft(entries.size());
  draft.create_groups(groups);
  for (const Hdf5IndexEntry& entry : entries) {
    const std::string& path = entry.dataset.name;
    if (entry.parts.size() > 1)
      add_virtual(draft, entry);
    else
      draft.session().ok(H5Lcreate_external(entry.parts.front().file.c_str(), path.c_str(), draft.file(),
                                            path.c_str(), H5P_DEFAULT, H5P_DEFAULT),
                         "linking " + path);
  }
  std::vector<std::byte> bytes(draft.close());
  draft.read(0, bytes);
  return bytes;
}

}  // namespace lockstep
