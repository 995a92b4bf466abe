// SPDX-License-Identifier: Apache-2.0
#include "hdf5/symbol_table.h"

#include "hdf5/old_btree.h"

namespace lockstep {

namespace {

constexpr std::uint64_t kHeapHead = 32;
constexpr std::uint64_t kNodeHead = 8;
constexpr std::uint64_t kSymbolBytes = 40;
constexpr std::uint64_t kKeyBytes = 8;
constexpr std::uint64_t kSoftLink = 2;

class SymbolTable {
 public:
  SymbolTable(const Hdf5MetadataFile& file, std::uint64_t heap, LinkCollector& into)
      : file_(file), into_(into) {
    const auto head = file.read(heap, kHeapHead);
    Hdf5Cursor in(file, head);
    in.expect("HEAP", "heap of names");
    in.expect_version(0, "heap of names");
    in.skip(3);
    const std::uint64_t bytes = in.number(8);
    in.skip(8);
    names_ = file.read(in.number(8), bytes);
  }

  void take_node(std::uint64_t address) const {
    const auto head = file_.read(address, kNodeHead);
    Hdf5Cursor in(file_, head);
    in.expect("SNOD", "node of symbols");
    in.expect_version(1, "node of symbols");
    in.skip(1);
    const auto symbols = file_.read(address + kNodeHead, in.number(2) * kSymbolBytes);
    for (Hdf5Cursor symbol(file_, symbols); symbol.remaining() > 0;) {
      Hdf5Link link;
      link.name = name_at(symbol.number(8));
      link.address = symbol.number(8);
      link.hard = symbol.number(4) != kSoftLink;
      symbol.skip(20);
      into_.add(std::move(link));
    }
  }

 private:
  std::string name_at(std::uint64_t offset) const {
    Hdf5Cursor in(file_, names_);
    in.skip(offset);
    std::string name = in.text();
    if (name.empty()) file_.refuse("a link without a name");
    return name;
  }

  const Hdf5MetadataFile& file_;
  LinkCollector& into_;
  std::vector<std::byte> names_;
};

}  // namespace

void LinkCollector::add(Hdf5Link link) {
  // Names may lie over each other in the file, and be longer together than it is.
  constexpr std::size_t kMaxNames = 64u << 20;
  name_bytes_ += link.name.size();
  if (name_bytes_ > kMaxNames) file_.refuse("a group with more than 64 MiB of names");
  if (links_.size() == limit_) file_.refuse("a group with more than " + std::to_string(limit_) + " links");
  links_.push_back(std::move(link));
}

void take_symbol_table(const Hdf5MetadataFile& file, Hdf5Cursor message, LinkCollector& into) {
  const std::uint64_t tree = message.number(8);
  const SymbolTable table(file, message.number(8), into);
  for_each_leaf(file, {tree, Hdf5OldTreeKind::kGroup, kKeyBytes},
                [&](Hdf5Cursor, std::uint64_t node) { table.take_node(node); });
}

}  // namespace lockstep
