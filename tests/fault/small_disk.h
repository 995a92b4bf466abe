// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep::testing {

// Mounts made from here on are seen by this process and its children alone, and go with them. Throws when
// this process may not mount.
void enter_own_mounts();

// A file system in memory of its own, mounted on a folder that is made; only this process and its children
// see it, and it goes with them. Throws when this process may not mount: the faults of a disk cannot be
// tested then.
class SmallDisk {
 public:
  // `options` as mount's -o: "size=2m", "nr_inodes=12".
  SmallDisk(std::string folder, const std::string& options);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  void resize(const std::string& options);
  void make_read_only();

 private:
  std::string folder_;
};

}  // namespace lockstep::testing
