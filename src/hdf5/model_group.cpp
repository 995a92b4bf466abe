// SPDX-License-Identifier: Apache-2.0
#include "hdf5/model_group.h"

#include <algorithm>
#include <functional>
#include <map>

#include "hdf5/btree.h"
#include "hdf5/fractal_heap.h"
#include "hdf5/link_name.h"
#include "hdf5/links.h"
#include "hdf5/messages.h"
#include "hdf5/storage.h"
#include "hdf5/superblock.h"
#include "lockstep/base/log.h"

namespace lockstep {

namespace {

// As in manifests.
constexpr std::size_t kMaxTensors = 250'000;
constexpr std::size_t kMaxText = 64u << 20;

// Bytes the shape claims, as long as they fit `limit`: a 2 kB file can claim 2^40 elements.
std::optional<std::uint64_t> claimed_bytes(const Shape& shape, DType dtype, std::uint64_t limit) {
  // A product of the other dimensions must not overflow later either.
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  const std::uint64_t most = empty ? std::uint64_t{1} << 50 : limit;
  std::uint64_t bytes = size_of(dtype);
  for (const std::int64_t dim : shape) {
    const auto factor = static_cast<std::uint64_t>(std::max<std::int64_t>(dim, 1));
    if (bytes > most / factor) return std::nullopt;
    bytes *= factor;
  }
  return empty ? 0 : bytes;
}

// Reads datasets; those with several links once.
class DatasetReader {
 public:
  explicit DatasetReader(const Hdf5MetadataFile& file) : file_(file) {}

  Hdf5Placement read(const Hdf5Link& link) {
    const auto [known, fresh] = known_.try_emplace(link.address);
    if (fresh) known->second = read_header("/model/" + printable(link.name), link.address);
    Hdf5Placement placement = known->second;
    placement.name = decode_link(link.name);
    return placement;
  }

 private:
  const Hdf5Message& require(const Hdf5ObjectHeader& header, Hdf5MessageType type, const std::string& where) {
    const Hdf5Message* message = header.find(type);
    if (message == nullptr) file_.refuse(where + " is not a dataset");
    if (message->shared) file_.refuse(where + " has a committed type, which Lockstep does not read");
    return *message;
  }

  Hdf5Placement read_header(const std::string& where, std::uint64_t address) {
    const Hdf5ObjectHeader header(file_, address);
    const auto content = [&](Hdf5MessageType type) {
      return Hdf5Cursor(file_, require(header, type, where).bytes);
    };
    // Contiguous is all Lockstep writes, and the only storage whose bytes can be read without filters.
    const Hdf5Storage storage = parse_storage(content(Hdf5MessageType::kLayout));
    if (header.find(Hdf5MessageType::kExternalFiles) != nullptr)
      file_.refuse(where + " keeps its data in another file");
    if (storage.kind != Hdf5Storage::Kind::kContiguous || header.find(Hdf5MessageType::kFilters) != nullptr)
      file_.refuse(where +
                   " is not stored contiguously; write it without chunks, filters and compact storage "
                   "(h5repack -l CONTI)");
    const Hdf5TypeInfo type = parse_datatype(content(Hdf5MessageType::kDatatype));
    if (!type.dtype || type.big_endian)
      file_.refuse(where + " has an element type Lockstep does not know (little-endian PyTorch types only)");
    const auto extent = parse_dataspace(content(Hdf5MessageType::kDataspace));
    if (!extent) file_.refuse(where + " has no ordinary shape");
    return place(where, {{"", *type.dtype, extent->shape}}, storage);
  }

  Hdf5Placement place(const std::string& where, Hdf5Placement placement, const Hdf5Storage& storage) const {
    const std::string file_bytes = std::to_string(file_.size());
    const auto bytes = claimed_bytes(placement.shape, placement.dtype, file_.size());
    if (!bytes) file_.refuse(where + " claims more bytes than the file has (" + file_bytes + ")");
    if (*bytes == 0) return placement;
    if (storage.address > file_.size() || *bytes > file_.size() - storage.address)
      file_.refuse(where + " does not lie inside the file (" + file_bytes + " bytes)");
    if (storage.bytes && *storage.bytes < *bytes)
      file_.refuse(where + " claims more bytes than are stored for it (" + std::to_string(*storage.bytes) +
                   ")");
    placement.offset = storage.address;
    return placement;
  }

  const Hdf5MetadataFile& file_;
  std::map<std::uint64_t, Hdf5Placement> known_;
};

bool is_single(const std::optional<Hdf5Extent>& extent) {
  return extent && std::ranges::all_of(extent->shape, [](std::int64_t dimension) { return dimension == 1; });
}

std::optional<std::int64_t> number_in(const Hdf5MetadataFile& file, const Hdf5AttributeInfo& attribute) {
  const Hdf5TypeInfo type = parse_datatype({file, attribute.type});
  const auto extent = parse_dataspace({file, attribute.space});
  if (type.kind != Hdf5TypeInfo::Kind::kInteger || !is_single(extent)) return std::nullopt;
  Hdf5Cursor in(file, attribute.value);
  std::vector<std::byte> value(type.bytes);
  std::ranges::copy(in.take(type.bytes), value.begin());
  if (type.big_endian) std::ranges::reverse(value);
  if (value.empty()) return std::nullopt;
  const bool negative = type.is_signed && (value.back() & std::byte{0x80}) != std::byte{0};
  value.resize(8, negative ? std::byte{0xFF} : std::byte{0});
  return static_cast<std::int64_t>(Hdf5Cursor(file, value).number(8));
}

// Of fixed length only: a variable one lies in another heap, and is not what we write.
std::string text_in(const Hdf5MetadataFile& file, const Hdf5AttributeInfo& attribute) {
  const Hdf5TypeInfo type = parse_datatype({file, attribute.type});
  const auto extent = parse_dataspace({file, attribute.space});
  if (type.kind != Hdf5TypeInfo::Kind::kText || type.bytes > kMaxText || !is_single(extent))
    file.refuse("attribute " + attribute.name + " of /model is not a fixed-length text");
  const auto bytes = Hdf5Cursor(file, attribute.value).take(type.bytes);
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

// Calls `take` with the attributes of an object, those in its header and those in a heap.
void for_each_attribute(const Hdf5MetadataFile& file, const Hdf5ObjectHeader& header,
                        const std::function<void(const Hdf5AttributeInfo&)>& take) {
  for (const Hdf5Message& message : header.messages())
    if (message.type == Hdf5MessageType::kAttribute && !message.shared)
      take(parse_attribute({file, message.bytes}, file));
  const Hdf5Message* info = header.find(Hdf5MessageType::kAttributeInfo);
  if (info == nullptr) return;
  constexpr std::uint64_t kTracksOrder = 0x01;
  Hdf5Cursor in(file, info->bytes);
  in.expect_version(0, "list of attributes");
  if ((in.number(1) & kTracksOrder) != 0) in.skip(2);
  const std::uint64_t heap_address = in.number(8);
  const std::uint64_t names = in.number(8);
  if (heap_address == kNoAddress) return;
  Hdf5FractalHeap heap(file, heap_address);
  for_each_record(file, names, Hdf5RecordType::kAttributeName, [&](Hdf5Cursor record) {
    take(parse_attribute({file, heap.object(record.take(heap.id_bytes()))}, file));
  });
}

std::uint64_t model_address(const Hdf5MetadataFile& file) {
  const std::vector<Hdf5Link> links = list_links(file, {file, root_group_of(file)}, kMaxTensors);
  const auto model = std::ranges::find(links, "model", &Hdf5Link::name);
  if (model == links.end()) file.refuse("it has no group /model, so it holds no weights");
  if (!model->hard) file.refuse("/model is a soft or external link");
  return model->address;
}

}  // namespace

Hdf5ModelGroup list_model_group(const ReadableFile& source, const std::string& path) {
  const Hdf5MetadataFile file(source, path);
  const Hdf5ObjectHeader group(file, model_address(file));
  Hdf5ModelGroup model;
  DatasetReader datasets(file);
  for (const Hdf5Link& link : list_links(file, group, kMaxTensors)) {
    if (!link.hard) file.refuse("/model/" + printable(link.name) + " is a soft or external link");
    model.tensors.push_back(datasets.read(link));
  }
  std::ranges::sort(model.tensors, {}, &Hdf5Placement::name);
  const auto twice = std::ranges::adjacent_find(model.tensors, {}, &Hdf5Placement::name);
  if (twice != model.tensors.end()) file.refuse("/model/" + twice->name + " is there twice");
  for_each_attribute(file, group, [&](const Hdf5AttributeInfo& attribute) {
    if (attribute.name == "step" && !attribute.shared) model.step = number_in(file, attribute);
    if (attribute.name == "digests") {
      if (attribute.shared) file.refuse("attribute digests of /model has a committed type");
      model.digests = text_in(file, attribute);
    }
  });
  return model;
}

}  // namespace lockstep
