// SPDX-License-Identifier: Apache-2.0
#include "hdf5/table.h"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "hdf5/last_reason.h"
#include "lockstep/base/error.h"

namespace lockstep::hdf5 {
namespace {

// A row or chunk above this is a damaged number, or a bomb.
constexpr std::uint64_t kLargestPiece = 256u << 20;
// Rows of one chunk are read one after the other: keep the last chunks unpacked.
constexpr std::size_t kChunkCacheBytes = 32u << 20;
constexpr std::size_t kChunkCacheSlots = 12421;
constexpr const char* kRemedy =
    "Look at the file with h5ls -r; write plain datasets (contiguous or chunked) into one file.";

// Products of numbers from the file: empty when they pass 2^62.
bool multiply(std::uint64_t& product, std::uint64_t factor) {
  return !__builtin_mul_overflow(product, factor, &product) && product < (std::uint64_t{1} << 62);
}

[[noreturn]] void refuse_table(const std::string& path, const std::string& found, const std::string& remedy) {
  throw Fault(ExitCode::kInputMissing, path + ": " + found, remedy);
}

// Each part of the name must be a hard link: others can lead to another file, or nowhere.
bool only_hard_links(const File& file, const std::string& name) {
  std::size_t end = 0;
  while (end != std::string::npos) {
    end = name.find('/', end + 1);
    const std::string prefix = name.substr(0, end);
    if (prefix.empty() || prefix.back() == '/') continue;
    H5L_info_t info{};
    if (H5Lget_info(file.get(), prefix.c_str(), &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_HARD)
      return false;
  }
  return true;
}

Data open_dataset(const File& file, const std::string& name) {
  const Properties access(H5Pcreate(H5P_DATASET_ACCESS));
  H5Pset_chunk_cache(access.get(), kChunkCacheSlots, kChunkCacheBytes, 1.0);
  return Data(H5Dopen2(file.get(), name.c_str(), access.get()));
}

[[noreturn]] void refuse_open(const std::string& path) {
  const std::string reason = last_reason();
  // HDF5 marks a file while a program writes it; the mark of one that died stays.
  if (reason.find("open for") != std::string::npos || reason.find("h5clear") != std::string::npos)
    refuse_table(
        path,
        fmt::format("is open for writing in another program, or was not closed by it (HDF5: {})", reason),
        "Wait until it is written. If no program writes it any more, h5clear -s FILE takes the mark off; "
        "then "
        "look whether all is in it.");
  if (H5Fis_hdf5(path.c_str()) > 0)
    refuse_table(path, fmt::format("is a damaged HDF5 file (HDF5: {})", reason),
                 "Copy it again, or write it again; it may have been cut off.");
  refuse_table(path, fmt::format("is not an HDF5 file, or a damaged one (HDF5: {})", reason), kRemedy);
}

hid_t memory_type(DType dtype) {
  switch (dtype) {
    case DType::kUInt8:
      return H5T_NATIVE_UINT8;
    case DType::kInt64:
      return H5T_NATIVE_INT64;
    case DType::kFloat64:
      return H5T_NATIVE_DOUBLE;
    default:
      return H5T_NATIVE_FLOAT;
  }
}

// h5py's bool: an enumeration of FALSE = 0 and TRUE = 1 in a byte.
bool is_bool(const Type& type) {
  if (H5Tget_class(type.get()) != H5T_ENUM || H5Tget_size(type.get()) != 1) return false;
  std::int8_t no = -1, yes = -1;
  return H5Tget_nmembers(type.get()) == 2 && H5Tenum_valueof(type.get(), "FALSE", &no) >= 0 &&
         H5Tenum_valueof(type.get(), "TRUE", &yes) >= 0 && no == 0 && yes == 1;
}

}  // namespace

File open_file(const std::string& path) {
  // A damaged file can leave identifiers behind inside the library; its exit handler would print and loop
  // over them. This must come before any other call, and nothing is written here that the handler would have
  // to flush.
  [[maybe_unused]] static const herr_t no_exit_handler = H5dont_atexit();
  const QuietErrors quiet;
  const Properties access(H5Pcreate(H5P_FILE_ACCESS));
  // Readers of a file that another process holds locked would fail; a change is found by check_unchanged().
  H5Pset_file_locking(access.get(), false, true);
  File file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()));
  if (!file.valid()) refuse_open(path);
  return file;
}

Table::Table(const File& file, TablePlace place) : place_(std::move(place)) {
  const QuietErrors quiet;
  if (!only_hard_links(file, place_.name)) refuse("is not there, or is a soft or external link");
  data_ = open_dataset(file, place_.name);
  if (!data_.valid()) refuse("is not a dataset, or a damaged one");
  const Properties creation(H5Dget_create_plist(data_.get()));
  if (!creation.valid()) refuse("has damaged properties");
  // Before all else: to say how large a virtual dataset is, the library opens the files it names.
  if (H5Pget_layout(creation.get()) == H5D_VIRTUAL) refuse("has virtual storage");
  if (H5Pget_external_count(creation.get()) != 0) refuse("keeps its values in another file");
  read_type();
  read_shape();
  check_storage(creation);
}

void Table::read_type() {
  const Type type(H5Dget_type(data_.get()));
  const H5T_class_t kind = type.valid() ? H5Tget_class(type.get()) : H5T_NO_CLASS;
  const bool of_bools = type.valid() && is_bool(type);
  if (kind != H5T_FLOAT && kind != H5T_INTEGER && !of_bools) refuse("holds neither floats nor integers");
  stored_size_ = H5Tget_size(type.get());
  // Half floats and all C integers; long doubles and wider have no dtype here.
  if (stored_size_ < 1 || stored_size_ > 8)
    refuse(fmt::format("has elements of {} bytes, expected 1 to 8", stored_size_));
  if (of_bools)
    stored_ = Stored::kBool;
  else if (kind == H5T_FLOAT)
    stored_ = stored_size_ > 4 ? Stored::kDouble : Stored::kFloat;
  else if (stored_size_ == 1 && H5Tget_sign(type.get()) == H5T_SGN_NONE && H5Tget_precision(type.get()) == 8)
    stored_ = Stored::kByte;
  else
    stored_ = stored_size_ > 2 ? Stored::kWideInteger : Stored::kInteger;
}

void Table::read_shape() {
  const Space space(H5Dget_space(data_.get()));
  if (!space.valid() || H5Sis_simple(space.get()) <= 0) refuse("has no simple shape");
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 1 || rank > H5S_MAX_RANK)
    refuse(fmt::format("has {} dimensions, expected samples as the first of at least 1", rank));
  std::array<hsize_t, H5S_MAX_RANK> dims{};
  H5Sget_simple_extent_dims(space.get(), dims.data(), nullptr);
  std::uint64_t row_bytes = sizeof(double);  // as the widest dtype it may be read as
  bool fits = dims[0] < (std::uint64_t{1} << 62);
  for (int i = 1; i < rank; ++i) {
    fits = multiply(row_bytes, dims[i]) && fits;
    row_shape_.push_back(static_cast<std::int64_t>(dims[i]));
  }
  rows_ = static_cast<std::int64_t>(dims[0]);
  if (fits && (rows_ == 0 || row_bytes == 0)) refuse("holds no element");
  if (!fits || row_bytes > kLargestPiece)
    refuse(fmt::format("claims rows of more than {} bytes", kLargestPiece));
}

std::uint64_t Table::row_elements() const {
  return static_cast<std::uint64_t>(element_count(row_shape_));
}

void Table::check_storage(const Properties& creation) const {
  const H5D_layout_t layout = H5Pget_layout(creation.get());
  if (layout == H5D_CHUNKED) return check_chunks(creation);
  if (layout != H5D_CONTIGUOUS && layout != H5D_COMPACT)
    refuse("has a kind of storage Lockstep does not know");
  std::uint64_t bytes = stored_size_;
  const bool fits = multiply(bytes, row_elements()) && multiply(bytes, static_cast<std::uint64_t>(rows_));
  // What was never written is not stored, and would read as zeros.
  const std::uint64_t stored = H5Dget_storage_size(data_.get());
  if (!fits || bytes > place_.file_bytes || stored != bytes)
    refuse(fmt::format("claims {} rows, its file has {} bytes and {} of them hold values", rows_,
                       place_.file_bytes, stored));
  if (layout == H5D_COMPACT) return;
  const haddr_t offset = H5Dget_offset(data_.get());
  if (offset == HADDR_UNDEF || offset > place_.file_bytes - bytes)
    refuse(fmt::format("lies outside its file of {} bytes", place_.file_bytes));
}

void Table::check_chunks(const Properties& creation) const {
  check_filters(creation);
  std::array<hsize_t, H5S_MAX_RANK> chunk{};
  const int rank = static_cast<int>(row_shape_.size()) + 1;
  if (H5Pget_chunk(creation.get(), H5S_MAX_RANK, chunk.data()) != rank) refuse("has damaged chunks");
  std::uint64_t needed = 1;
  std::uint64_t chunk_bytes = stored_size_;
  bool fits = true;
  for (int i = 0; i < rank; ++i) {
    const auto dimension = static_cast<std::uint64_t>(i == 0 ? rows_ : row_shape_[i - 1]);
    if (chunk[i] == 0) refuse("has damaged chunks");
    fits = multiply(chunk_bytes, chunk[i]) && multiply(needed, (dimension - 1) / chunk[i] + 1) && fits;
  }
  if (!fits || chunk_bytes > kLargestPiece)
    refuse(fmt::format("claims chunks of more than {} bytes", kLargestPiece));
  // Counting walks the index, so a number that the file cannot hold is refused first.
  hsize_t present = 0;
  // A chunk takes at least one byte of the file.
  const bool plausible = needed <= place_.file_bytes && H5Dget_storage_size(data_.get()) <= place_.file_bytes;
  const Space all(H5Dget_space(data_.get()));
  if (!plausible || H5Dget_num_chunks(data_.get(), all.get(), &present) < 0 || present != needed)
    refuse(fmt::format("claims {} rows in {} chunks, {} are in its file of {} bytes", rows_, needed, present,
                       place_.file_bytes));
}

void Table::check_filters(const Properties& creation) const {
  const int count = H5Pget_nfilters(creation.get());
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    unsigned config = 0;
    const H5Z_filter_t filter = H5Pget_filter2(creation.get(), static_cast<unsigned>(i), &flags, &values,
                                               nullptr, 0, nullptr, &config);
    // Others may load a plugin, which is code from a path the file chooses.
    if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
      refuse(fmt::format("uses filter {}, expected gzip, shuffle or fletcher32", filter));
  }
}

void Table::read_rows(std::int64_t row, DType dtype, std::span<std::byte> into) const {
  const std::size_t row_bytes = row_elements() * size_of(dtype);
  const auto rows = static_cast<std::int64_t>(into.size() / row_bytes);
  check(row >= 0 && rows <= rows_ - row && into.size() % row_bytes == 0, "rows are read whole");
  const QuietErrors quiet;
  std::vector<hsize_t> start(row_shape_.size() + 1, 0);
  std::vector<hsize_t> count{static_cast<hsize_t>(rows)};
  start[0] = static_cast<hsize_t>(row);
  for (const std::int64_t dimension : row_shape_) count.push_back(static_cast<hsize_t>(dimension));
  const Space in_file(H5Dget_space(data_.get()));
  const Space in_memory(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr));
  if (H5Sselect_hyperslab(in_file.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr) < 0 ||
      H5Dread(data_.get(), memory_type(dtype), in_memory.get(), in_file.get(), H5P_DEFAULT, into.data()) < 0)
    refuse(fmt::format("row {} cannot be read (HDF5: {})", row, last_reason()));
}

void Table::refuse(const std::string& found) const {
  refuse_table(place_.path, fmt::format("dataset {} {}", place_.name, found), kRemedy);
}

}  // namespace lockstep::hdf5
