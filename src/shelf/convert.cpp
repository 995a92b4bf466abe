// SPDX-License-Identifier: Apache-2.0
#include "shelf/convert.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>

#include "checkpoint/catalog.h"
#include "checkpoint/damage.h"
#include "checkpoint/shard_plan.h"
#include "shelf/usable_folder.h"

namespace lockstep {

namespace {

// A file of a checkpoint that has been verified, in memory as far as the kernel keeps it there.
class MappedPayload {
 public:
  MappedPayload(const std::string& path, std::uint64_t bytes) : bytes_(bytes) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0) fail(path);
    struct stat status {};
    // Shorter than it was a moment ago, its end would be no memory.
    const bool whole =
        ::fstat(descriptor, &status) == 0 && static_cast<std::uint64_t>(status.st_size) >= bytes;
    if (whole && bytes > 0) start_ = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
    ::close(descriptor);
    if (!whole || start_ == MAP_FAILED) fail(path);
  }
  ~MappedPayload() {
    if (start_ != nullptr) ::munmap(start_, bytes_);
  }
  MappedPayload(const MappedPayload&) = delete;
  MappedPayload& operator=(const MappedPayload&) = delete;

  std::span<const std::byte> at(std::uint64_t offset, std::uint64_t bytes) const {
    return {static_cast<const std::byte*>(start_) + offset, bytes};
  }

 private:
  [[noreturn]] static void fail(const std::string& path) {
    throw Fault(ExitCode::kStorage, path + ": mapping it failed: " + std::strerror(errno));
  }
  void* start_ = nullptr;
  std::uint64_t bytes_;
};

// The tensors of a checkpoint, as a save takes them.
class MappedState {
 public:
  MappedState(const CheckpointReader& from) {
    for (const ManifestFile& file : from.manifest().files)
      files_.try_emplace(file.name, from.directory() + "/" + file.name, file.bytes);
    for (const ManifestTensor& tensor : from.manifest().tensors)
      state_.tensors.push_back({tensor, bytes_of(tensor)});
    state_.record = &from.record();
  }

  PlannedState& state() { return state_; }

 private:
  std::span<const std::byte> bytes_of(const ManifestTensor& tensor) {
    if (byte_count(tensor) == 0) return {};
    const auto mapped = [&](const ManifestPiece& piece) {
      return files_.at(piece.file).at(piece.offset, byte_count(tensor, piece));
    };
    if (!tensor.split()) return mapped(tensor.pieces.front());
    std::vector<std::byte>& joined = joined_.emplace_back();
    joined.reserve(byte_count(tensor));
    for (const ManifestPiece& piece : tensor.pieces) {
      const auto bytes = mapped(piece);
      joined.insert(joined.end(), bytes.begin(), bytes.end());
    }
    return joined;
  }

  std::map<std::string, MappedPayload> files_;
  std::deque<std::vector<std::byte>> joined_;
  PlannedState state_;
};

// Folder and name of the new checkpoint.
std::pair<std::string, std::string> place_of(Disk& disk, const std::string& to, Step step) {
  const std::filesystem::path path = std::filesystem::absolute(to).lexically_normal();
  const std::filesystem::path whole = path.has_filename() ? path : path.parent_path();
  const std::string name = whole.filename().string();
  if (disk.info(whole.string()))
    throw Fault(ExitCode::kRunDirectory, to + ": there is something of this name already",
                "Choose another directory");
  const auto claimed = step_of_directory(name);
  if (name.empty() || name[0] == '.' || (claimed && *claimed != step))
    throw Fault(ExitCode::kRunDirectory,
                to + " is no name for a checkpoint of step " + std::to_string(step.value),
                "Choose " + step_directory(step) + ", or a name that claims no step");
  return {whole.parent_path().string(), name};
}

// What went wrong in memory or on the way to it must not become a good checkpoint of another state.
void require_equal(const CheckpointReader& from, const Manifest& written) {
  for (std::size_t i = 0; i < written.tensors.size(); ++i)
    if (written.tensors[i].digest != from.manifest().tensors[i].digest)
      throw CheckpointDamage({from.directory(), "", written.tensors[i].key.path()},
                             "its bytes changed while they were converted");
}

}  // namespace

Committed convert_checkpoint(Disk& disk, const CheckpointReader& from, const std::string& to,
                             const LayoutChoice& choice) {
  const auto [folder, name] = place_of(disk, to, from.record().step);
  from.verify();
  MappedState source(from);
  PlannedState& state = source.state();
  state.plan = choice.layout == kSharded ? plan_sharded(state.tensors, choice.shards)
                                         : plan_consolidated(state.tensors);
  make_durable_folder(disk, folder);
  StagedCheckpoint staged(disk, {folder, name, folder + "/.staging-" + name}, {});
  staged.begin();
  try {
    std::vector<WrittenFile> shards;
    for (std::size_t s = 0; s < state.plan.shards.size(); ++s) shards.push_back(staged.write(state, s));
    require_equal(from, assemble_manifest(state, shards));
    return staged.commit(state, shards);
  } catch (...) {
    staged.abandon();
    throw;
  }
}

}  // namespace lockstep
