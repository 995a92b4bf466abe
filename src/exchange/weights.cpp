// SPDX-License-Identifier: Apache-2.0
#include "exchange/weights.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "base/descriptor.h"
#include "checkpoint/digest.h"
#include "checkpoint/reader.h"
#include "hdf5/model_group.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "untrusted/bounded_json.h"

namespace lockstep {

namespace {

// A regular file of the user's choice; links in its path are the user's own and are followed.
class PinnedFile : public ReadableFile {
 public:
  explicit PinnedFile(const std::string& path)
      : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_.get() < 0)
      throw Fault(errno == ENOENT ? ExitCode::kInputMissing : ExitCode::kNoValidCheckpoint,
                  path + ": " + std::strerror(errno),
                  "Give a weights file (weights.h5) or a checkpoint directory");
    struct stat status {};
    if (::fstat(descriptor_.get(), &status) != 0 || !S_ISREG(status.st_mode))
      throw Fault(ExitCode::kNoValidCheckpoint, path + ": not a regular file");
    bytes_ = static_cast<std::uint64_t>(status.st_size);
  }

  std::uint64_t size() const override { return bytes_; }
  void read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    while (!into.empty()) {
      const ssize_t n = ::pread(descriptor_.get(), into.data(), into.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw Fault(ExitCode::kStorage, path_ + ": reading failed: " + std::strerror(errno));
      if (n == 0) throw Fault(ExitCode::kNoValidCheckpoint, path_ + ": it became shorter while it was read");
      into = into.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
  }

 private:
  std::string path_;
  Descriptor descriptor_;
  std::uint64_t bytes_ = 0;
};

// One for each tensor, and the object they are in.
constexpr std::size_t kMaxDigests = 250'001;

// Names come from the caller's model, so a missing one is the file's fault.
[[noreturn]] void no_such_tensor(const std::string& origin, const std::string& name) {
  throw Fault(ExitCode::kNoValidCheckpoint, origin + ": no tensor " + printable(name));
}

// A single HDF5 file: its metadata says where the tensors lie.
class FileWeights : public WeightsSource {
 public:
  FileWeights(std::shared_ptr<const ReadableFile> file, const std::string& path)
      : path_(path), file_(std::move(file)), model_(list_model_group(*file_, path)) {
    for (const Hdf5Placement& tensor : model_.tensors)
      tensors_.push_back({{{"", tensor.name}, tensor}, first_name_of(tensor)});
    parse_digests();
  }

  const std::vector<WeightsTensor>& tensors() const override { return tensors_; }
  std::optional<Step> step() const override {
    return model_.step ? std::optional(Step{*model_.step}) : std::nullopt;
  }

  void read(const std::string& name, std::span<std::byte> bytes) const override {
    const auto found = std::find_if(model_.tensors.begin(), model_.tensors.end(),
                                    [&](const auto& t) { return t.name == name; });
    if (found == model_.tensors.end()) no_such_tensor(path_, name);
    check(bytes.size() == byte_count(*found), "a tensor to read into has the bytes its shape says");
    file_->read_at(found->offset, bytes);
    const auto digest = digests_.find(name);
    if (digest != digests_.end() && tensor_digest(*found, bytes) != digest->second &&
        !fault_requested("guard.skip_digest"))
      throw Fault(ExitCode::kNoValidCheckpoint,
                  path_ + ": tensor " + printable(name) + ": its bytes differ from its digest",
                  "The file is damaged; make it again from a checkpoint");
  }

 private:
  // Two links to one dataset are one tensor.
  std::string first_name_of(const Hdf5Placement& tensor) {
    if (byte_count(tensor) == 0) return "";
    const auto [first, fresh] = first_names_.try_emplace(tensor.offset, tensor.name);
    return fresh ? "" : first->second;
  }

  // Files of others have none. One of ours has one for each tensor, so a missing one is damage.
  void parse_digests() {
    if (model_.digests.empty()) return;
    std::map<std::string, Digest> kept;
    const auto json = parse_bounded_json(model_.digests, path_, {.depth = 1, .values = kMaxDigests});
    if (json.is_object())
      for (const auto& [name, hex] : json.items())
        if (const auto digest = hex.is_string() ? Digest::from_hex(hex.get<std::string>()) : std::nullopt)
          kept[name] = *digest;
    for (const WeightsTensor& tensor : tensors_) {
      const auto found = kept.find(tensor.key.name);
      if (found == kept.end())
        throw Fault(ExitCode::kNoValidCheckpoint,
                    path_ + ": tensor " + printable(tensor.key.name) + " has no digest",
                    "The file is damaged; make it again from a checkpoint");
      digests_[tensor.key.name] = found->second;
    }
  }

  std::string path_;
  std::shared_ptr<const ReadableFile> file_;
  Hdf5ModelGroup model_;
  std::map<std::uint64_t, std::string> first_names_;
  std::vector<WeightsTensor> tensors_;
  std::map<std::string, Digest> digests_;
};

// The model part of a checkpoint, read by its manifest.
class CheckpointWeights : public WeightsSource {
 public:
  explicit CheckpointWeights(const std::string& directory)
      : reader_(CheckpointReader::open(real_disk(), directory)) {
    for (const ManifestTensor& tensor : reader_->manifest().tensors)
      if (tensor.key.in_model()) tensors_.push_back({tensor, ""});
  }

  const std::vector<WeightsTensor>& tensors() const override { return tensors_; }
  std::optional<Step> step() const override { return reader_->record().step; }

  void read(const std::string& name, std::span<std::byte> bytes) const override {
    const auto found =
        std::find_if(tensors_.begin(), tensors_.end(), [&](const auto& t) { return t.key.name == name; });
    if (found == tensors_.end()) no_such_tensor(reader_->directory(), name);
    const MutableStateTensor into{*found, bytes};
    reader_->read({&into, 1}, /*all=*/false);
  }

 private:
  std::unique_ptr<CheckpointReader> reader_;
  std::vector<WeightsTensor> tensors_;
};

}  // namespace

std::unique_ptr<WeightsSource> read_weights_file(const std::string& path) {
  return read_weights_file(std::make_shared<PinnedFile>(path), path);
}

std::unique_ptr<WeightsSource> read_weights_file(std::shared_ptr<const ReadableFile> file,
                                                 const std::string& path) {
  return std::make_unique<FileWeights>(std::move(file), path);
}

std::unique_ptr<WeightsSource> checkpoint_weights(const std::string& directory) {
  return std::make_unique<CheckpointWeights>(directory);
}

}  // namespace lockstep
