// SPDX-License-Identifier: Apache-2.0
#include "hdf5/links.h"

#include "hdf5/btree.h"
#include "hdf5/fractal_heap.h"
#include "hdf5/symbol_table.h"

namespace lockstep {

namespace {

constexpr std::uint64_t kHardLink = 0;
// Flags of a link message, and of what says where links are.
constexpr std::uint64_t kNameSizeMask = 0x03;
constexpr std::uint64_t kHasOrder = 0x04;
constexpr std::uint64_t kHasType = 0x08;
constexpr std::uint64_t kHasCharacters = 0x10;
constexpr std::uint64_t kTracksOrder = 0x01;

Hdf5Link parse_link(Hdf5Cursor in, const Hdf5MetadataFile& file) {
  in.expect_version(1, "link");
  const std::uint64_t flags = in.number(1);
  const std::uint64_t type = (flags & kHasType) != 0 ? in.number(1) : kHardLink;
  if ((flags & kHasOrder) != 0) in.skip(8);
  if ((flags & kHasCharacters) != 0) in.skip(1);
  const auto name = in.take(in.number(std::size_t{1} << (flags & kNameSizeMask)));
  if (name.empty()) file.refuse("a link without a name");
  Hdf5Link link;
  link.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  link.hard = type == kHardLink;
  if (link.hard) link.address = in.number(8);
  return link;
}

void take_dense(const Hdf5MetadataFile& file, Hdf5Cursor info, LinkCollector& into) {
  info.expect_version(0, "group");
  if ((info.number(1) & kTracksOrder) != 0) info.skip(8);
  const std::uint64_t heap_address = info.number(8);
  const std::uint64_t names = info.number(8);
  if (heap_address == kNoAddress) return;
  Hdf5FractalHeap heap(file, heap_address);
  for_each_record(file, names, Hdf5RecordType::kLinkName, [&](Hdf5Cursor record) {
    record.skip(4);  // the hash the tree is ordered by
    into.add(parse_link({file, heap.object(record.take(heap.id_bytes()))}, file));
  });
}

}  // namespace

std::vector<Hdf5Link> list_links(const Hdf5MetadataFile& file, const Hdf5ObjectHeader& group,
                                 std::size_t limit) {
  LinkCollector links(file, limit);
  bool is_group = false;
  for (const Hdf5Message& message : group.messages()) {
    const Hdf5Cursor content(file, message.bytes);
    switch (message.type) {
      case Hdf5MessageType::kSymbolTable:
        take_symbol_table(file, content, links);
        break;
      case Hdf5MessageType::kLinkInfo:
        take_dense(file, content, links);
        break;
      case Hdf5MessageType::kLink:
        links.add(parse_link(content, file));
        break;
      default:
        continue;
    }
    is_group = true;
    if (message.shared) file.refuse("a group that shares its links with another");
  }
  if (!is_group) file.refuse("an object that should be a group is none");
  return links.take();
}

}  // namespace lockstep
