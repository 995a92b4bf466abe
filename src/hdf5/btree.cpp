// SPDX-License-Identifier: Apache-2.0
#include "hdf5/btree.h"

#include <bit>
#include <vector>

namespace lockstep {

namespace {

constexpr std::uint64_t kHeaderBytes = 38;
// Signature, version, type and checksum around the records of a node.
constexpr std::uint64_t kNodeBytes = 10;
constexpr std::uint64_t kAddressBytes = 8;
// With the smallest nodes a tree of this depth has more records than a file has bytes.
constexpr std::uint64_t kMaxDepth = 32;

// Bytes that HDF5 takes for a number up to `limit`.
std::size_t encoded_size(std::uint64_t limit) {
  return limit == 0 ? 1 : static_cast<std::size_t>((std::bit_width(limit) - 1) / 8 + 1);
}

class Tree {
 public:
  Tree(const Hdf5MetadataFile& file, std::uint64_t address, Hdf5RecordType type)
      : file_(file), type_(static_cast<std::uint8_t>(type)) {
    const auto header = file.read_checked(address, kHeaderBytes);
    Hdf5Cursor in(file, header);
    in.expect("BTHD", "B-tree");
    in.expect_version(0, "B-tree");
    expect_type(in);
    node_bytes_ = in.number(4);
    record_bytes_ = in.number(2);
    depth_ = in.number(2);
    in.skip(2);
    root_ = in.number(8);
    root_records_ = in.number(2);
    if (record_bytes_ == 0 || node_bytes_ < kNodeBytes + record_bytes_ || depth_ > kMaxDepth)
      file.refuse("a damaged B-tree");
    measure_pointers();
  }

  void walk(const std::function<void(Hdf5Cursor)>& take) const {
    if (root_ != kNoAddress) walk_node({root_, root_records_}, depth_, take);
  }

 private:
  struct Child {
    std::uint64_t address = 0;
    std::uint64_t records = 0;
  };

  void expect_type(Hdf5Cursor& in) const {
    if (in.number(1) != type_) file_.refuse("a B-tree of another kind than expected");
  }

  // A pointer to a child says how many records it has, and below the lowest level also how many are under it,
  // in as many bytes as the most a node of that level can have would need.
  void measure_pointers() {
    const std::uint64_t leaf = (node_bytes_ - kNodeBytes) / record_bytes_;
    count_bytes_ = encoded_size(leaf);
    total_bytes_.assign(depth_ + 1, 0);
    std::uint64_t below = leaf;
    for (std::uint64_t level = 1; level <= depth_; ++level) {
      const std::uint64_t pointer = kAddressBytes + count_bytes_ + total_bytes_[level - 1];
      if (node_bytes_ < kNodeBytes + 2 * pointer + record_bytes_) file_.refuse("a damaged B-tree");
      const std::uint64_t most = (node_bytes_ - kNodeBytes - pointer) / (record_bytes_ + pointer);
      // A level that passes 64 bits is above any that a real tree has.
      if (__builtin_mul_overflow(below, most + 1, &below) || __builtin_add_overflow(below, most, &below))
        file_.refuse("a damaged B-tree");
      total_bytes_[level] = encoded_size(below);
    }
  }

  // The level falls with each call, and every call reads a node: both bound what a circle can cost.
  void walk_node(const Child& node, std::uint64_t level, const std::function<void(Hdf5Cursor)>& take) const {
    const auto bytes = file_.read(node.address, node_bytes_);
    Hdf5Cursor in(file_, bytes);
    in.expect(level == 0 ? "BTLF" : "BTIN", "B-tree node");
    in.expect_version(0, "B-tree node");
    expect_type(in);
    const auto records = in.take(node.records * record_bytes_);
    const auto record = [&](std::uint64_t i) {
      return Hdf5Cursor(file_, records.subspan(i * record_bytes_, record_bytes_));
    };
    std::vector<Child> children;
    for (std::uint64_t i = 0; level > 0 && i <= node.records; ++i) {
      Child child;
      child.address = in.number(kAddressBytes);
      child.records = in.number(count_bytes_);
      in.skip(total_bytes_[level - 1]);
      children.push_back(child);
    }
    in.skip(4);
    // What lies behind the checksum is not part of the node.
    file_.require_checksum(std::span(bytes).first(bytes.size() - in.remaining()));
    for (std::uint64_t i = 0; i < node.records; ++i) {
      if (level > 0) walk_node(children[i], level - 1, take);
      take(record(i));
    }
    if (level > 0) walk_node(children[node.records], level - 1, take);
  }

  const Hdf5MetadataFile& file_;
  std::uint8_t type_;
  std::uint64_t node_bytes_ = 0;
  std::uint64_t record_bytes_ = 0;
  std::uint64_t depth_ = 0;
  std::uint64_t root_ = kNoAddress;
  std::uint64_t root_records_ = 0;
  std::size_t count_bytes_ = 0;
  std::vector<std::size_t> total_bytes_;  // by level of the child
};

}  // namespace

void for_each_record(const Hdf5MetadataFile& file, std::uint64_t address, Hdf5RecordType type,
                     const std::function<void(Hdf5Cursor)>& take) {
  Tree(file, address, type).walk(take);
}

}  // namespace lockstep
