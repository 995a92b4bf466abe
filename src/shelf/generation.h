// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "lockstep/base/disk.h"
#include "lockstep/base/units.h"

namespace lockstep {

// Where one life of a run makes what it then renames into the folder of its checkpoints.
//
// Note [fence]: everything that a commit touches (the shards of a checkpoint, its manifest, the pointers,
// what is on its way out) is made in, or renamed into, <folder>/.staging-<attempt>-<eight hex digits>, a name
// that no other life has. Before a life reads or writes anything it renames those of earlier ones away. A
// writer that was stopped, lost its lock and wakes up therefore cannot commit: the paths it renames from are
// gone. It never makes its own anew while the folder of checkpoints is there. So what keeps it out is the
// rename itself, not a look before it, between which and the rename it could have been stopped once more.
class Generation {
 public:
  // One without a name, for a folder that nobody else writes: things are made in `folder` itself.
  Generation(Disk& disk, std::string folder);
  // Removes the folder that begin() made, with what is in it.
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  // Local, on rank 0, once it holds the run's lock. Makes one of its own and returns its name. Throws Fault
  // (73).
  std::string begin(Attempt attempt);
  // Local, on the other ranks: the name that begin() gave rank 0.
  void enter(std::string name);
  // Local. Where an entry of the folder of checkpoints is made: `entry` with a prefix that marks it
  // unfinished.
  std::string making(const std::string& entry) const;
  // Local. Where an entry goes on its way out.
  std::string leaving(const std::string& entry) const;
  // Local. replace_text(), made here. Throws Fault (74).
  void replace(const std::string& path, std::string_view text) const;

  // Local, once the folder of checkpoints itself was lost and has been made anew. Throws Fault (74).
  void make_again();
  // Local. Throws Fault (77) when another life has taken over.
  void require() const;
  // Local. What `work` throws, or Fault (77) where it failed because another life has taken over.
  template <class Work>
  auto fenced(Work&& work) const {
    try {
      return work();
    } catch (...) {
      require();
      throw;
    }
  }

 private:
  std::string place() const { return folder_ + "/" + name_; }

  Disk& disk_;
  std::string folder_;
  std::string name_;
  bool is_own_ = false;  // made here, by begin()
};

// Local. Renames the generations of earlier lives away, with all they hold, and removes them, and whatever
// else unfinished work has left in `folder`. Throws Fault (74).
void fence_off(Disk& disk, const std::string& folder);

}  // namespace lockstep
