// SPDX-License-Identifier: Apache-2.0
#include "hdf5/table_header.h"

#include <algorithm>
#include <string_view>

#include "hdf5/links.h"
#include "hdf5/superblock.h"

namespace lockstep {

namespace {

constexpr std::size_t kMostLinks = 1'000'000;

// Reads one dataset's messages; refuses with its name in front.
class HeaderReader {
 public:
  HeaderReader(const Hdf5MetadataFile& file, std::string where) : file_(file), where_(std::move(where)) {}

  std::uint64_t find(std::string_view path, std::uint64_t user_block) const {
    std::uint64_t address = root_group_of(file_, user_block);
    while (!path.empty()) {
      const std::string_view part = path.substr(0, path.find('/'));
      path.remove_prefix(std::min(path.size(), part.size() + 1));
      if (!part.empty() && part != ".") address = step_into(address, part);
    }
    return address;
  }

  Hdf5TableHeader read(std::uint64_t address) const {
    const Hdf5ObjectHeader header(file_, address);
    Hdf5TableHeader table;
    table.storage = parse_storage(content(header, Hdf5MessageType::kLayout));
    if (table.storage.kind == Hdf5Storage::Kind::kVirtual) refuse("has virtual storage");
    if (header.find(Hdf5MessageType::kExternalFiles) != nullptr) refuse("keeps its values in another file");
    if (table.storage.kind == Hdf5Storage::Kind::kOther)
      refuse("has a kind of storage Lockstep does not know");
    table.type = read_type(content(header, Hdf5MessageType::kDatatype));
    table.extent = read_extent(content(header, Hdf5MessageType::kDataspace));
    if (header.find(Hdf5MessageType::kFilters) != nullptr)
      table.filters = {file_, where_, content(header, Hdf5MessageType::kFilters), table.type.bytes};
    table.fill = read_fill(header, table.type.bytes);
    return table;
  }

 private:
  std::uint64_t step_into(std::uint64_t group, std::string_view name) const {
    const Hdf5ObjectHeader header(file_, group);
    if (header.find(Hdf5MessageType::kLayout) == nullptr) {
      const std::vector<Hdf5Link> links = list_links(file_, header, kMostLinks);
      const auto link = std::ranges::find(links, name, &Hdf5Link::name);
      if (link != links.end() && link->hard) return link->address;
    }
    refuse("is not there, or is a soft or external link");
  }

  Hdf5Cursor content(const Hdf5ObjectHeader& header, Hdf5MessageType type) const {
    const Hdf5Message* message = header.find(type);
    if (message == nullptr) refuse("is not a dataset, or a damaged one");
    if (message->shared)
      refuse("shares its type with others (a committed type), which Lockstep does not read");
    return {file_, message->bytes};
  }

  Hdf5TypeInfo read_type(Hdf5Cursor in) const {
    using Kind = Hdf5TypeInfo::Kind;
    const Hdf5TypeInfo type = parse_datatype(in);
    // The floats of eight bits have no meaning that all programs share.
    const bool is_float = type.kind == Kind::kFloat && type.bytes >= 2;
    if (!is_float && type.kind != Kind::kInteger && type.kind != Kind::kBool)
      refuse("holds neither floats nor integers");
    if (type.bytes != 1 && type.bytes != 2 && type.bytes != 4 && type.bytes != 8)
      refuse("has elements of " + std::to_string(type.bytes) + " bytes, expected 1, 2, 4 or 8");
    return type;
  }

  Hdf5Extent read_extent(Hdf5Cursor in) const {
    const auto extent = parse_dataspace(in);
    if (!extent) refuse("has no simple shape");
    if (extent->shape.empty()) refuse("has no dimensions, expected samples as the first");
    if (std::ranges::find(extent->shape, 0) != extent->shape.end()) refuse("holds no element");
    return *extent;
  }

  // Zeros where no value was ever defined.
  std::vector<std::byte> read_fill(const Hdf5ObjectHeader& header, std::uint64_t bytes) const {
    constexpr std::uint64_t kDefined = 0x20;  // a flag of version 3
    std::vector<std::byte> fill(static_cast<std::size_t>(bytes));
    const Hdf5Message* message = header.find(Hdf5MessageType::kFillValue);
    const bool is_old = message == nullptr;
    if (is_old) message = header.find(Hdf5MessageType::kOldFillValue);
    if (message == nullptr) return fill;
    if (message->shared) refuse("shares its fill value with others, which Lockstep does not read");
    Hdf5Cursor in(file_, message->bytes);
    bool defined = true;
    if (!is_old) {
      const std::uint64_t version = in.number(1);
      if (version < 1 || version > 3) refuse("has a damaged fill value");
      const std::uint64_t flags = in.number(1);
      if (version < 3) in.skip(1);
      const std::uint64_t says = version < 3 ? in.number(1) : 0;
      defined = version == 1 || (version == 2 ? says != 0 : (flags & kDefined) != 0);
    }
    const std::uint64_t length = defined ? in.number(4) : 0;
    // -1 in files of old says that there is none.
    if (length == 0 || length == 0xFFFFFFFF) return fill;
    if (length != bytes) refuse("has a fill value of " + std::to_string(length) + " bytes");
    std::ranges::copy(in.take(bytes), fill.begin());
    return fill;
  }

  [[noreturn]] void refuse(const std::string& found) const {
    file_.refuse(where_ + " " + found, kTableRemedy);
  }

  const Hdf5MetadataFile& file_;
  std::string where_;
};

}  // namespace

Hdf5TableHeader read_table_header(const Hdf5MetadataFile& file, const Hdf5TableName& name) {
  const HeaderReader reader(file, name.where);
  return reader.read(reader.find(name.path, name.user_block));
}

}  // namespace lockstep
