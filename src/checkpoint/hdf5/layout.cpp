// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/hdf5/layout.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>

#include "checkpoint/hdf5/handle.h"
#include "checkpoint/hdf5/types.h"

namespace lockstep {

namespace {

// Page-aligned tensors can be mapped and written around the page cache; small ones would only waste room.
constexpr hsize_t kAlignFrom = 64 * 1024;
constexpr hsize_t kAlignment = 4096;

[[noreturn]] void memory_failed(const char* call) {
  throw Fault(ExitCode::kStorage,
              std::string("laying out a checkpoint in memory: ") + call + ": " + std::strerror(errno));
}

// A file that lives in memory and has a path HDF5 can open.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("lockstep-layout", MFD_CLOEXEC)) {
    if (fd_ < 0) memory_failed("memfd_create");
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

  std::uint64_t size() const {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) memory_failed("fstat");
    return static_cast<std::uint64_t>(status.st_size);
  }

  std::vector<std::byte> read(std::uint64_t first, std::uint64_t last) const {
    std::vector<std::byte> bytes(last - first);
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t n =
          ::pread(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(first + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) memory_failed("pread");
      done += static_cast<std::size_t>(n);
    }
    return bytes;
  }

 private:
  int fd_;
};

Hdf5Handle create_file(const Hdf5Session& hdf5, const std::string& path, std::size_t datasets) {
  const Hdf5Handle access = hdf5.own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "making a property list");
  hdf5.ok(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110), "choosing the format");
  hdf5.ok(H5Pset_alignment(access.get(), kAlignFrom, kAlignment), "choosing the alignment");
  // Not the default driver: that one asks for the real path of a link, which a memory file has not.
  hdf5.ok(H5Pset_fapl_stdio(access.get()), "choosing the driver");
  hdf5.ok(H5Pset_file_locking(access.get(), false, true), "switching locks off");
  // One block for all headers keeps them together, in front of the payload.
  const hsize_t block = std::clamp<hsize_t>(datasets * 600, 2048, 1 << 20);
  hdf5.ok(H5Pset_meta_block_size(access.get(), block), "choosing the block size");
  const Hdf5Handle creation = hdf5.own(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "making a property list");
  hdf5.ok(H5Pset_obj_track_times(creation.get(), false), "switching times off");
  return hdf5.own(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose,
                  "creating the file");
}

// Fixed-length text, because a reader of a hostile file can bound it (hdf5/model_group.cpp).
struct AttributeWriter {
  const Hdf5Session& hdf5;
  hid_t object;
  const std::string& name;

  void write(hid_t stored, hid_t given, const void* value) const {
    const Hdf5Handle space = hdf5.own(H5Screate(H5S_SCALAR), H5Sclose, "making a scalar");
    const Hdf5Handle attribute =
        hdf5.own(H5Acreate2(object, name.c_str(), stored, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
                 "creating attribute " + name);
    hdf5.ok(H5Awrite(attribute.get(), given, value), "writing attribute " + name);
  }
  void operator()(std::int64_t value) const { write(H5T_STD_I64LE, H5T_NATIVE_INT64, &value); }
  void operator()(std::uint64_t value) const { write(H5T_STD_U64LE, H5T_NATIVE_UINT64, &value); }
  void operator()(double value) const { write(H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value); }
  void operator()(const std::string& value) const {
    const Hdf5Handle type = hdf5.own(H5Tcopy(H5T_C_S1), H5Tclose, "making a string type");
    hdf5.ok(H5Tset_size(type.get(), value.size() + 1), "making a string type");
    hdf5.ok(H5Tset_cset(type.get(), H5T_CSET_UTF8), "making a string type");
    write(type.get(), type.get(), value.c_str());
  }
};

void create_groups(const Hdf5Session& hdf5, hid_t file, const std::vector<Hdf5Group>& groups) {
  const Hdf5Handle creation = hdf5.own(H5Pcreate(H5P_GROUP_CREATE), H5Pclose, "making a property list");
  hdf5.ok(H5Pset_obj_track_times(creation.get(), false), "switching times off");
  for (const Hdf5Group& group : groups) {
    const Hdf5Handle object =
        group.path == "/"
            ? hdf5.own(H5Gopen2(file, "/", H5P_DEFAULT), H5Gclose, "opening the root")
            : hdf5.own(H5Gcreate2(file, group.path.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                       H5Gclose, "creating group " + group.path);
    for (const Hdf5Attribute& attribute : group.attributes)
      std::visit(AttributeWriter{hdf5, object.get(), attribute.name}, attribute.value);
  }
}

Hdf5Handle create_space(const Hdf5Session& hdf5, const Shape& shape) {
  if (shape.empty()) return hdf5.own(H5Screate(H5S_SCALAR), H5Sclose, "making a scalar");
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  return hdf5.own(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), H5Sclose,
                  "making a shape");
}

std::vector<std::uint64_t> create_datasets(const Hdf5Session& hdf5, hid_t file,
                                           const std::vector<Hdf5Dataset>& datasets) {
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
    const Hdf5Handle space = create_space(hdf5, dataset.shape);
    const Hdf5Handle object = hdf5.own(H5Dcreate2(file, dataset.path.c_str(), type.get(), space.get(),
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
std::vector<Hdf5MetadataRun> collect_metadata(const MemoryFile& memory, const Hdf5Plan& plan,
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
    if (at < end) runs.push_back({at, memory.read(at, end)});
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
  const Hdf5Session hdf5(ExitCode::kStorage, "laying out a checkpoint in memory");
  const MemoryFile memory;
  Hdf5Layout layout;
  Hdf5Handle file = create_file(hdf5, memory.path(), plan.datasets.size());
  create_groups(hdf5, file.get(), plan.groups);
  layout.offsets = create_datasets(hdf5, file.get(), plan.datasets);
  if (!file.reset()) hdf5.fail("closing the file");
  layout.file_bytes = memory.size();
  layout.metadata = collect_metadata(memory, plan, layout);
  return layout;
}

}  // namespace lockstep
