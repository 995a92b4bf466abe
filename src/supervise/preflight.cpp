// SPDX-License-Identifier: Apache-2.0
#include "supervise/preflight.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// mpirun's own, and its pipes and sockets to each rank of this host.
constexpr std::uint64_t kOwnDescriptors = 64;
constexpr std::uint64_t kDescriptorsOfARank = 8;
constexpr rlim_t kEnoughDescriptors = 65536;
// Open MPI wants room for a rank's whole segment before it makes one, and then uses little of it.
constexpr std::uint64_t kSegment = 5u << 20;
constexpr std::uint64_t kUsedOfASegment = 160u << 10;

void refuse_missing_directory() {
  std::error_code error;
  const auto here = std::filesystem::current_path(error);
  if (error || here.empty())
    throw Fault(ExitCode::kCannotStart, "the working directory is gone (" + error.message() + ")",
                "Change to a folder that exists");
}

void raise_descriptors(int local_ranks) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = std::min(limit.rlim_max, std::max(limit.rlim_cur, kEnoughDescriptors));
  if (wanted > limit.rlim_cur) {
    limit.rlim_cur = wanted;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  const std::uint64_t needed =
      kOwnDescriptors + kDescriptorsOfARank * static_cast<std::uint64_t>(local_ranks);
  if (limit.rlim_cur < needed)
    throw Fault(ExitCode::kCannotStart,
                fmt::format("too few open files are allowed: {}, and mpirun needs {} for {} ranks here",
                            limit.rlim_cur, needed, local_ranks),
                fmt::format("Raise the limit: ulimit -n {}", std::max<std::uint64_t>(1024, needed)));
}

void refuse_small_shared_memory(int local_ranks) {
  struct statvfs room {};
  if (::statvfs("/dev/shm", &room) != 0)
    throw Fault(ExitCode::kCannotStart, "there is no /dev/shm, the shared memory that MPI needs",
                "Mount a tmpfs there");
  const std::uint64_t free = static_cast<std::uint64_t>(room.f_bavail) * room.f_frsize;
  const std::uint64_t needed = kSegment + kUsedOfASegment * static_cast<std::uint64_t>(local_ranks);
  if (free < needed)
    throw Fault(ExitCode::kCannotStart,
                fmt::format("too little shared memory: /dev/shm has {} KiB free, and MPI needs {} KiB for {} "
                            "ranks here",
                            free >> 10, needed >> 10, local_ranks),
                "Make it larger (docker run --shm-size=1g), or free space in it");
}

}  // namespace

std::map<std::string, std::string> prepare_for_mpirun(int local_ranks, const std::string& home) {
  std::map<std::string, std::string> environment;
  refuse_missing_directory();
  raise_descriptors(local_ranks);
  refuse_small_shared_memory(local_ranks);
  // Open MPI 4 looks for a home in the passwd file when HOME is not set, and crashes where there is none.
  if (home.empty() && ::getpwuid(::getuid()) == nullptr) environment["HOME"] = "/nonexistent";
  // It refuses root unless told twice; in a container root is all there is.
  if (::getuid() == 0) {
    environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1";
    environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
  }
  return environment;
}

}  // namespace lockstep
