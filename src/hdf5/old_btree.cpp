// SPDX-License-Identifier: Apache-2.0
#include "hdf5/old_btree.h"

namespace lockstep {

namespace {

constexpr std::uint64_t kHead = 24;
constexpr std::uint64_t kAddress = 8;
// Levels are one byte.
constexpr std::uint64_t kAboveAllLevels = 256;

class OldTree {
 public:
  OldTree(const Hdf5MetadataFile& file, const Hdf5OldTreePlace& tree, const TakeOldLeaf& take)
      : file_(file), tree_(tree), take_(take) {}

  // The level falls with each call, and every call reads a node: both bound what a circle can cost.
  void walk(std::uint64_t address, std::uint64_t level_above) const {
    const auto head = file_.read(address, kHead);
    Hdf5Cursor in(file_, head);
    in.expect("TREE", "B-tree");
    if (in.number(1) != static_cast<std::uint64_t>(tree_.kind))
      file_.refuse("a B-tree of another kind than expected");
    const std::uint64_t level = in.number(1);
    if (level >= level_above) file_.refuse("a damaged B-tree");
    const auto children = file_.read(address + kHead, in.number(2) * (tree_.key_bytes + kAddress));
    for (Hdf5Cursor child(file_, children); child.remaining() > 0;) {
      const auto key = child.take(tree_.key_bytes);
      const std::uint64_t below = child.number(kAddress);
      if (level > 0)
        walk(below, level);
      else
        take_({file_, key}, below);
    }
  }

 private:
  const Hdf5MetadataFile& file_;
  Hdf5OldTreePlace tree_;
  const TakeOldLeaf& take_;
};

}  // namespace

void for_each_leaf(const Hdf5MetadataFile& file, const Hdf5OldTreePlace& tree, const TakeOldLeaf& take) {
  OldTree(file, tree, take).walk(tree.address, kAboveAllLevels);
}

}  // namespace lockstep
