// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {

namespace fs = std::filesystem;

// A folder of its own for each test, removed at its end; in memory where there is that much room, because the
// tests sync thousands of times.
class ScratchFolder {
 public:
  explicit ScratchFolder(std::uintmax_t bytes = 48u << 20) {
    std::error_code none;
    const bool memory = fs::is_directory("/dev/shm", none) && fs::space("/dev/shm", none).available > bytes;
    const fs::path base = memory ? fs::path("/dev/shm") : fs::temp_directory_path();
    std::string pattern = (base / "lockstep-ckpt-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The code of the Fault that `work` throws; kDone when it throws none.
template <class Work>
ExitCode code_of(Work work, std::string* message = nullptr) {
  try {
    work();
  } catch (const Fault& fault) {
    if (message != nullptr) *message = fault.what();
    return fault.code();
  }
  return ExitCode::kDone;
}

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void spill(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << bytes;
}

// Lengths that a file of `bytes` may be cut or grown to, falling: every 4 KiB, every byte near its ends, and
// as many beyond it.
inline std::vector<std::size_t> wrong_lengths(std::size_t bytes) {
  constexpr std::size_t kPage = 4096;
  constexpr std::size_t kNear = 64;
  std::set<std::size_t, std::greater<>> lengths;
  for (std::size_t n = 0; n < bytes + 16 * kPage; n += kPage) lengths.insert(n);
  for (std::size_t n = 0; n <= kNear; ++n) lengths.insert({n, bytes - std::min(n, bytes), bytes + n});
  lengths.erase(bytes);
  return {lengths.begin(), lengths.end()};
}

// Arms fault points (or guards to take out) for one scope.
class ArmedPlan {
 public:
  explicit ArmedPlan(const std::string& plan) { arm_fault_points(plan, {}); }
  ~ArmedPlan() { arm_fault_points("", {}); }
};

}  // namespace lockstep
