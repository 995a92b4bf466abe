// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/reader.h"

#include <algorithm>
#include <map>

#include "checkpoint/catalog.h"
#include "checkpoint/damage.h"
#include "checkpoint/digest.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {

namespace {

constexpr std::size_t kPiece = 4u << 20;

// Runs `read` again after a first storage error: a transient one of a network file system costs no
// checkpoint.
template <class Read>
auto with_one_retry(Read read) {
  try {
    return read();
  } catch (const Fault& fault) {
    if (fault.code() != ExitCode::kStorage) throw;
  }
  return read();
}

// The switch is for the test that shows what is loaded without digests.
bool differs(const Digest& found, const Digest& expected) {
  return found != expected && !fault_requested("guard.skip_digest");
}

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

// Tensors of one file in the order they lie there.
std::vector<const ManifestTensor*> tensors_in(const Manifest& manifest, const std::string& file) {
  std::vector<const ManifestTensor*> out;
  for (const ManifestTensor& tensor : manifest.tensors)
    if (tensor.file == file && byte_count(tensor) > 0) out.push_back(&tensor);
  std::sort(out.begin(), out.end(), [](const auto* a, const auto* b) { return a->offset < b->offset; });
  return out;
}

// One pass over one file for the digests of the file and of every tensor in it.
class FileVerifier {
 public:
  FileVerifier(const ReadableFile& file, const DamagePlace& place)
      : file_(file), place_(place), piece_(kPiece) {}

  // Bytes that belong to no tensor.
  void between(std::uint64_t end) {
    walk(end, [](std::span<const std::byte>) {});
  }
  void tensor(const ManifestTensor& tensor) {
    between(tensor.offset);
    TensorDigester digester(tensor.dtype, tensor.shape);
    walk(tensor.offset + byte_count(tensor),
         [&](std::span<const std::byte> bytes) { digester.update(bytes); });
    if (differs(digester.finish(), tensor.digest))
      throw CheckpointDamage({place_.directory, place_.file, tensor.key.path()},
                             "its bytes differ from the digest in the manifest");
  }
  void end(const ManifestFile& file) {
    between(file.bytes);
    if (differs(hasher_.digest(), file.digest))
      throw CheckpointDamage(place_, "bytes outside the tensors differ from the digest in the manifest");
  }

 private:
  template <class Use>
  void walk(std::uint64_t end, Use use) {
    while (at_ < end) {
      const auto piece = std::span(piece_).first(std::min<std::uint64_t>(piece_.size(), end - at_));
      with_one_retry([&] { file_.read_at(at_, piece); });
      hasher_.update(piece);
      use(piece);
      at_ += piece.size();
    }
  }

  const ReadableFile& file_;
  DamagePlace place_;
  std::vector<std::byte> piece_;
  Hasher hasher_;
  std::uint64_t at_ = 0;
};

// Lengths are compared before anything is read: they cost nothing, and a truncated file is the commonest
// damage.
std::unique_ptr<ReadableFile> open_listed(Disk& disk, const std::string& directory,
                                          const ManifestFile& file) {
  const DamagePlace place{directory, file.name, ""};
  const auto info = with_one_retry([&] { return disk.info(directory + "/" + file.name); });
  if (!info) throw CheckpointDamage(place, "the file is missing");
  auto opened = with_one_retry([&] { return disk.open(directory + "/" + file.name); });
  if (opened->size() != file.bytes)
    throw CheckpointDamage(
        place, std::to_string(opened->size()) + " bytes, the manifest says " + std::to_string(file.bytes));
  return opened;
}

}  // namespace

CheckpointReader::CheckpointReader(Disk& disk, std::string directory, Manifest manifest)
    : disk_(disk), directory_(std::move(directory)), manifest_(std::move(manifest)) {}

std::unique_ptr<CheckpointReader> CheckpointReader::open(Disk& disk, const std::string& directory) {
  const DamagePlace place{directory, kManifestFile, ""};
  const auto here = with_one_retry([&] { return disk.info(directory); });
  if (!here || !here->is_directory)
    throw CheckpointDamage({directory, "", ""},
                           here ? "not a directory (symbolic links are not followed)" : "it does not exist");
  const std::string path = directory + "/" + kManifestFile;
  if (!with_one_retry([&] { return disk.info(path); })) throw CheckpointDamage(place, "the file is missing");
  Manifest manifest;
  try {
    manifest = parse_manifest(with_one_retry([&] { return read_text(disk, path); }), kManifestFile);
  } catch (const Fault& fault) {
    if (fault.code() != ExitCode::kNoValidCheckpoint) throw;
    throw CheckpointDamage({directory, kManifestFile, ""}, fault.what());
  }
  // A copy under a name of its own claims no step.
  const auto named = step_of_directory(directory);
  if (named && *named != manifest.record.step)
    throw CheckpointDamage(place, "it belongs to step " + std::to_string(manifest.record.step.value) +
                                      ", not to this directory");
  for (const ManifestFile& file : manifest.files) open_listed(disk, directory, file);
  return std::unique_ptr<CheckpointReader>(new CheckpointReader(disk, directory, std::move(manifest)));
}

void CheckpointReader::verify() const {
  for (const ManifestFile& listed : manifest_.files) {
    const auto file = open_listed(disk_, directory_, listed);
    FileVerifier verifier(*file, {directory_, listed.name, ""});
    for (const ManifestTensor* tensor : tensors_in(manifest_, listed.name)) verifier.tensor(*tensor);
    verifier.end(listed);
  }
  std::map<std::string, Digest> digests;
  for (const ManifestTensor& tensor : manifest_.tensors) {
    // A tensor without elements lies in no file; its digest still binds dtype and shape.
    if (byte_count(tensor) == 0 && differs(tensor_digest(tensor.dtype, tensor.shape, {}), tensor.digest))
      throw CheckpointDamage({directory_, tensor.file, tensor.key.path()},
                             "its digest is not that of an empty tensor");
    digests[tensor.key.path()] = tensor.digest;
  }
  if (differs(lockstep::state_hash(manifest_.record.step, digests), manifest_.state_hash))
    throw CheckpointDamage({directory_, kManifestFile, ""}, "the state hash is not that of its tensors");
}

void CheckpointReader::read(std::span<const MutableStateTensor> tensors, bool all) const {
  std::map<std::string, const ManifestTensor*> stored;
  for (const ManifestTensor& tensor : manifest_.tensors) stored[tensor.key.path()] = &tensor;
  const auto refuse = [&](const std::string& path, const std::string& fact) {
    throw Fault(ExitCode::kConfig, "checkpoint " + directory_ + ": tensor " + path + ": " + fact,
                "Use the model and optimizer of the run that wrote it");
  };
  std::map<std::string, bool> asked;
  for (const MutableStateTensor& tensor : tensors) {
    const std::string path = tensor.key.path();
    asked[path] = true;
    const auto found = stored.find(path);
    if (found == stored.end()) refuse(path, "asked for, but not in the checkpoint");
    const ManifestTensor& have = *found->second;
    if (have.shape != tensor.shape)
      refuse(path,
             "shape " + shape_text(have.shape) + " in the checkpoint, " + shape_text(tensor.shape) + " here");
    if (have.dtype != tensor.dtype)
      refuse(path, "dtype " + std::string(name_of(have.dtype)) + " in the checkpoint, " +
                       std::string(name_of(tensor.dtype)) + " here");
    check(tensor.bytes.size() == byte_count(have), "a tensor to read into has the bytes its shape says");
  }
  for (const auto& [path, tensor] : stored)
    if (all && !asked.contains(path))
      refuse(path, "in the checkpoint, but the model and optimizer here have no such tensor");
  // Nothing is filled before every request has been found to fit.
  std::map<std::string, std::unique_ptr<ReadableFile>> files;
  for (const ManifestFile& file : manifest_.files) files[file.name] = open_listed(disk_, directory_, file);
  for (const MutableStateTensor& tensor : tensors) {
    const ManifestTensor& have = *stored.at(tensor.key.path());
    with_one_retry([&] { files.at(have.file)->read_at(have.offset, tensor.bytes); });
    // Again, although it was verified: the bytes may have changed since, or this rank may see other ones.
    if (differs(tensor_digest(have.dtype, have.shape, tensor.bytes), have.digest))
      throw CheckpointDamage({directory_, have.file, have.key.path()},
                             "its bytes differ from the digest in the manifest");
  }
}

}  // namespace lockstep
