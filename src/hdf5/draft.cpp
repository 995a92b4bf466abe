// SPDX-License-Identifier: Apache-2.0
#include "hdf5/draft.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

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
int memory_file() {
  const int descriptor = memfd_create("lockstep-layout", MFD_CLOEXEC);
  if (descriptor < 0) memory_failed("memfd_create");
  return descriptor;
}

Hdf5Handle file_access(const Hdf5Session& hdf5, std::size_t objects) {
  Hdf5Handle access = hdf5.own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "making a property list");
  hdf5.ok(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110), "choosing the format");
  hdf5.ok(H5Pset_alignment(access.get(), kAlignFrom, kAlignment), "choosing the alignment");
  // Not the default driver: that one asks for the real path of a link, which a memory file has not.
  hdf5.ok(H5Pset_fapl_stdio(access.get()), "choosing the driver");
  hdf5.ok(H5Pset_file_locking(access.get(), false, true), "switching locks off");
  // One block for all headers keeps them together, in front of the payload.
  const hsize_t block = std::clamp<hsize_t>(objects * 600, 2048, 1 << 20);
  hdf5.ok(H5Pset_meta_block_size(access.get(), block), "choosing the block size");
  return access;
}

Hdf5Handle create_file(const Hdf5Session& hdf5, const std::string& path, std::size_t objects) {
  const Hdf5Handle access = file_access(hdf5, objects);
  const Hdf5Handle creation = hdf5.own(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "making a property list");
  hdf5.ok(H5Pset_obj_track_times(creation.get(), false), "switching times off");
  return hdf5.own(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose,
                  "creating the file");
}

// Fixed-length text, because a reader of a hostile file can bound it (hdf5/model_group.cpp).
class AttributeWriter {
 public:
  enum class Mode { kCreate, kRewrite };

  AttributeWriter(const Hdf5Session& hdf5, hid_t object, const std::string& name, Mode mode)
      : hdf5_(hdf5), object_(object), name_(name), mode_(mode) {}

  void operator()(std::int64_t value) const { write(H5T_STD_I64LE, H5T_NATIVE_INT64, &value); }
  void operator()(std::uint64_t value) const { write(H5T_STD_U64LE, H5T_NATIVE_UINT64, &value); }
  void operator()(double value) const { write(H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value); }
  void operator()(const std::string& value) const {
    const Hdf5Handle type = hdf5_.own(H5Tcopy(H5T_C_S1), H5Tclose, "making a string type");
    hdf5_.ok(H5Tset_size(type.get(), value.size() + 1), "making a string type");
    hdf5_.ok(H5Tset_cset(type.get(), H5T_CSET_UTF8), "making a string type");
    write(type.get(), type.get(), value.c_str());
  }

 private:
  void write(hid_t stored, hid_t given, const void* value) const {
    const Hdf5Handle attribute = open(stored);
    hdf5_.ok(H5Awrite(attribute.get(), given, value), "writing attribute " + name_);
  }
  Hdf5Handle open(hid_t stored) const {
    if (mode_ == Mode::kRewrite)
      return hdf5_.own(H5Aopen(object_, name_.c_str(), H5P_DEFAULT), H5Aclose, "opening attribute " + name_);
    const Hdf5Handle space = hdf5_.own(H5Screate(H5S_SCALAR), H5Sclose, "making a scalar");
    return hdf5_.own(H5Acreate2(object_, name_.c_str(), stored, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                     H5Aclose, "creating attribute " + name_);
  }

  const Hdf5Session& hdf5_;
  hid_t object_;
  const std::string& name_;
  Mode mode_;
};

}  // namespace

Hdf5Draft::Hdf5Draft(std::size_t objects)
    : hdf5_(ExitCode::kStorage, "laying out a checkpoint in memory"),
      objects_(objects),
      descriptor_(memory_file()),
      file_(-1, H5Fclose) {
  try {
    file_ = create_file(hdf5_, path(), objects);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

Hdf5Draft::~Hdf5Draft() {
  file_.reset();
  ::close(descriptor_);
}

void Hdf5Draft::create_groups(const std::vector<Hdf5Group>& groups) const {
  const Hdf5Handle creation = hdf5_.own(H5Pcreate(H5P_GROUP_CREATE), H5Pclose, "making a property list");
  hdf5_.ok(H5Pset_obj_track_times(creation.get(), false), "switching times off");
  for (const Hdf5Group& group : groups) {
    const Hdf5Handle object =
        group.path == "/"
            ? hdf5_.own(H5Gopen2(file(), "/", H5P_DEFAULT), H5Gclose, "opening the root")
            : hdf5_.own(H5Gcreate2(file(), group.path.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                        H5Gclose, "creating group " + group.path);
    for (const Hdf5Attribute& attribute : group.attributes)
      std::visit(AttributeWriter(hdf5_, object.get(), attribute.name, AttributeWriter::Mode::kCreate),
                 attribute.value);
  }
}

void Hdf5Draft::rewrite_attributes(const std::vector<Hdf5Group>& groups) const {
  for (const Hdf5Group& group : groups) {
    if (group.attributes.empty()) continue;
    const Hdf5Handle object =
        hdf5_.own(H5Gopen2(file(), group.path.c_str(), H5P_DEFAULT), H5Gclose, "opening group " + group.path);
    for (const Hdf5Attribute& attribute : group.attributes)
      std::visit(AttributeWriter(hdf5_, object.get(), attribute.name, AttributeWriter::Mode::kRewrite),
                 attribute.value);
  }
}

void Hdf5Draft::reopen() {
  const Hdf5Handle access = file_access(hdf5_, objects_);
  file_ = hdf5_.own(H5Fopen(path().c_str(), H5F_ACC_RDWR, access.get()), H5Fclose, "opening the file");
}

Hdf5Handle Hdf5Draft::create_space(const Shape& shape) const {
  if (shape.empty()) return hdf5_.own(H5Screate(H5S_SCALAR), H5Sclose, "making a scalar");
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  return hdf5_.own(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), H5Sclose,
                   "making a shape");
}

std::uint64_t Hdf5Draft::close() {
  if (!file_.reset()) hdf5_.fail("closing the file");
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) memory_failed("fstat");
  return static_cast<std::uint64_t>(status.st_size);
}

void Hdf5Draft::read(std::uint64_t first, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t n = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(first));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) memory_failed("pread");
    into = into.subspan(static_cast<std::size_t>(n));
    first += static_cast<std::uint64_t>(n);
  }
}

}  // namespace lockstep
