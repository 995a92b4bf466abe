// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/hdf5/model_group.h"

#include <algorithm>
#include <array>

#include "checkpoint/hdf5/handle.h"
#include "checkpoint/hdf5/link_name.h"
#include "checkpoint/hdf5/types.h"
#include "lockstep/base/log.h"

namespace lockstep {

namespace {

// As in manifests.
constexpr std::size_t kMaxTensors = 250'000;
constexpr std::size_t kMaxText = 64u << 20;
constexpr int kMaxDimensions = 32;

Hdf5Handle open_file(const Hdf5Session& hdf5, int descriptor) {
  const Hdf5Handle access = hdf5.own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "making a property list");
  hdf5.ok(H5Pset_file_locking(access.get(), false, true), "switching locks off");
  // By the descriptor: a file swapped under its name meanwhile is not what HDF5 sees.
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  Hdf5Handle file =
      hdf5.own(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose, "opening it as an HDF5 file");
  const Hdf5Handle creation = hdf5.own(H5Fget_create_plist(file.get()), H5Pclose, "reading its properties");
  hsize_t user_block = 0;
  hdf5.ok(H5Pget_userblock(creation.get(), &user_block), "reading its properties");
  if (user_block != 0) hdf5.refuse("it has a user block, which Lockstep does not read");
  return file;
}

// Names of the links of /model, refusing those that lead elsewhere.
struct LinkList {
  std::vector<std::string> names;
  std::string refused;
};

herr_t take_link(hid_t, const char* name, const H5L_info_t* info, void* into) {
  auto& list = *static_cast<LinkList*>(into);
  if (info->type != H5L_TYPE_HARD) list.refused = "/model/" + printable(name) + " is a soft or external link";
  if (list.names.size() >= kMaxTensors)
    list.refused = "more than " + std::to_string(kMaxTensors) + " tensors";
  if (!list.refused.empty()) return 1;
  list.names.emplace_back(name);
  return 0;
}

Shape shape_of(const Hdf5Session& hdf5, hid_t space, const std::string& where) {
  const H5S_class_t kind = H5Sget_simple_extent_type(space);
  if (kind == H5S_SCALAR) return {};
  const int rank = H5Sget_simple_extent_ndims(space);
  if (kind != H5S_SIMPLE || rank < 0 || rank > kMaxDimensions) hdf5.refuse(where + " has no ordinary shape");
  std::array<hsize_t, kMaxDimensions> dims{};
  hdf5.ok(H5Sget_simple_extent_dims(space, dims.data(), nullptr), "reading the shape of " + where);
  return {dims.begin(), dims.begin() + rank};
}

// Bytes the shape claims, as long as they fit `limit`: a 2 kB file can claim 2^40 elements.
std::optional<std::uint64_t> claimed_bytes(const Shape& shape, DType dtype, std::uint64_t limit) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::uint64_t bytes = size_of(dtype);
  for (const std::int64_t dim : shape) {
    if (dim < 0 || bytes > limit / static_cast<std::uint64_t>(dim)) return std::nullopt;
    bytes *= static_cast<std::uint64_t>(dim);
  }
  return bytes;
}

// Contiguous is all Lockstep writes, and the only storage whose bytes can be read without HDF5's filters.
void require_plain_storage(const Hdf5Session& hdf5, hid_t dataset, const std::string& where) {
  const Hdf5Handle creation =
      hdf5.own(H5Dget_create_plist(dataset), H5Pclose, "reading the properties of " + where);
  if (H5Pget_layout(creation.get()) != H5D_CONTIGUOUS)
    hdf5.refuse(where +
                " is not stored contiguously; write it without chunks, filters and compact storage (h5repack "
                "-l CONTI)");
  if (H5Pget_external_count(creation.get()) != 0) hdf5.refuse(where + " keeps its data in another file");
}

// Layout and external storage are looked at first: asking for more could make HDF5 open other files.
Hdf5Placement place(const Hdf5Session& hdf5, hid_t group, const std::string& link, std::uint64_t file_bytes) {
  const std::string where = "/model/" + printable(link);
  const Hdf5Handle object = hdf5.own(H5Oopen(group, link.c_str(), H5P_DEFAULT), H5Oclose, "opening " + where);
  if (H5Iget_type(object.get()) != H5I_DATASET) hdf5.refuse(where + " is not a dataset");
  require_plain_storage(hdf5, object.get(), where);
  const Hdf5Handle type = hdf5.own(H5Dget_type(object.get()), H5Tclose, "reading the type of " + where);
  const std::optional<DType> dtype = dtype_of(hdf5, type.get());
  if (!dtype)
    hdf5.refuse(where + " has an element type Lockstep does not know (little-endian PyTorch types only)");
  const Hdf5Handle space = hdf5.own(H5Dget_space(object.get()), H5Sclose, "reading the shape of " + where);
  Hdf5Placement placement{decode_link(link), *dtype, shape_of(hdf5, space.get(), where), 0, 0};
  const auto bytes = claimed_bytes(placement.shape, *dtype, file_bytes);
  if (!bytes)
    hdf5.refuse(where + " claims more bytes than the file has (" + std::to_string(file_bytes) + ")");
  placement.bytes = *bytes;
  if (*bytes == 0) return placement;
  const haddr_t offset = H5Dget_offset(object.get());
  if (offset == HADDR_UNDEF || offset > file_bytes || *bytes > file_bytes - offset)
    hdf5.refuse(where + " does not lie inside the file (" + std::to_string(file_bytes) + " bytes)");
  placement.offset = offset;
  return placement;
}

bool has_attribute(hid_t group, const char* name) {
  return H5Aexists(group, name) > 0;
}

std::optional<std::int64_t> read_number(const Hdf5Session& hdf5, hid_t group, const char* name) {
  if (!has_attribute(group, name)) return std::nullopt;
  const Hdf5Handle attribute = hdf5.own(H5Aopen(group, name, H5P_DEFAULT), H5Aclose, "opening an attribute");
  const Hdf5Handle type = hdf5.own(H5Aget_type(attribute.get()), H5Tclose, "reading an attribute's type");
  const Hdf5Handle space = hdf5.own(H5Aget_space(attribute.get()), H5Sclose, "reading an attribute's shape");
  if (H5Tget_class(type.get()) != H5T_INTEGER || H5Sget_simple_extent_npoints(space.get()) != 1)
    return std::nullopt;
  std::int64_t value = 0;
  hdf5.ok(H5Aread(attribute.get(), H5T_NATIVE_INT64, &value), "reading an attribute");
  return value;
}

// Of fixed length only: the size of a variable one is a claim in the file that HDF5 would allocate.
std::string read_text_attribute(const Hdf5Session& hdf5, hid_t group, const char* name) {
  if (!has_attribute(group, name)) return "";
  const Hdf5Handle attribute = hdf5.own(H5Aopen(group, name, H5P_DEFAULT), H5Aclose, "opening an attribute");
  const Hdf5Handle type = hdf5.own(H5Aget_type(attribute.get()), H5Tclose, "reading an attribute's type");
  const Hdf5Handle space = hdf5.own(H5Aget_space(attribute.get()), H5Sclose, "reading an attribute's shape");
  const std::size_t size = H5Tget_size(type.get());
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) > 0 || size > kMaxText ||
      H5Sget_simple_extent_npoints(space.get()) != 1)
    hdf5.refuse(std::string("attribute ") + name + " of /model is not a fixed-length text");
  std::string text(size, '\0');
  hdf5.ok(H5Aread(attribute.get(), type.get(), text.data()), "reading an attribute");
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

}  // namespace

Hdf5ModelGroup list_model_group(const Hdf5Source& source) {
  const Hdf5Session hdf5(ExitCode::kNoValidCheckpoint, source.path);
  const Hdf5Handle file = open_file(hdf5, source.descriptor);
  H5L_info_t link{};
  if (H5Lexists(file.get(), "model", H5P_DEFAULT) <= 0)
    hdf5.refuse("it has no group /model, so it holds no weights");
  hdf5.ok(H5Lget_info(file.get(), "model", &link, H5P_DEFAULT), "looking at /model");
  if (link.type != H5L_TYPE_HARD) hdf5.refuse("/model is a soft or external link");
  const Hdf5Handle group = hdf5.own(H5Gopen2(file.get(), "model", H5P_DEFAULT), H5Gclose, "opening /model");
  LinkList links;
  hdf5.ok(H5Literate(group.get(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, take_link, &links),
          "listing /model");
  if (!links.refused.empty()) hdf5.refuse(links.refused);
  Hdf5ModelGroup model;
  for (const std::string& name : links.names)
    model.tensors.push_back(place(hdf5, group.get(), name, source.bytes));
  std::sort(model.tensors.begin(), model.tensors.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  model.step = read_number(hdf5, group.get(), "step");
  model.digests = read_text_attribute(hdf5, group.get(), "digests");
  return model;
}

}  // namespace lockstep
