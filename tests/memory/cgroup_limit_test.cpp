// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <limits>

#include "base/available_memory.h"
#include "memory/kept_memory.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using testing::write_file;

constexpr std::size_t kMiB = 1u << 20;

// A cgroup of either version in which a process has 256 MiB.
class LimitedGroup {
 public:
  LimitedGroup() {
    for (const auto& [mount, limit] : {std::pair("/sys/fs/cgroup/memory", "/memory.limit_in_bytes"),
                                       std::pair("/sys/fs/cgroup", "/memory.max")}) {
      const std::string folder = mount + ("/lockstep-test-" + std::to_string(::getpid()));
      if (::mkdir(folder.c_str(), 0755) != 0) continue;
      folder_ = folder;
      if (std::filesystem::exists(folder + limit)) {
        write_file(folder + limit, std::to_string(256 * kMiB));
        return;
      }
      ::rmdir(folder_.c_str());
      folder_.clear();
    }
  }
  ~LimitedGroup() {
    if (!folder_.empty()) ::rmdir(folder_.c_str());
  }
  bool is_there() const { return !folder_.empty(); }
  // By the child that shall be in it.
  void enter() const { write_file(folder_ + "/cgroup.procs", std::to_string(::getpid())); }

 private:
  std::string folder_;
};

// In the group: a block, and when it is idle a longer one. Both together do not fit. How it ended.
int grow_in(const LimitedGroup& group, MemoryRoom::Look room) {
  const pid_t child = ::fork();
  if (child == 0) {
    group.enter();
    KeptMemory memory(MemoryRange::reserve(std::size_t{1} << 30, Backing::kPrivate),
                      MemoryRoom(std::move(room)));
    for (const std::size_t mib : {130, 160}) {
      void* block = memory.take(mib * kMiB);
      if (block == nullptr) ::_exit(1);
      std::memset(block, 1, mib * kMiB);
      if (memory.take(KeptMemory::kSmallest) == nullptr) ::_exit(2);  // no one run of the two
      memory.give(block);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(CgroupLimit, IsNotPassedForWhatIsIdle) {
  const LimitedGroup group;
  if (!group.is_there()) GTEST_SKIP() << "no memory cgroup can be made here";
  EXPECT_EQ(grow_in(group, [] { return std::numeric_limits<std::uint64_t>::max(); }), 128 + SIGKILL)
      << "the limit is none";
  EXPECT_EQ(grow_in(group, available_memory), 0);
}

}  // namespace
}  // namespace lockstep
