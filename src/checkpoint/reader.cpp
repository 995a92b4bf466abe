// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/reader.h"

#include <algorithm>
#include <map>

#include "checkpoint/catalog.h"
#include "checkpoint/damage.h"
#include "checkpoint/digest.h"
#include "checkpoint/index.h"
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

// A piece of a tensor and the tensor it belongs to.
struct PieceRef {
  const ManifestTensor* tensor;
  const ManifestPiece* piece;
};

// Pieces of one file in the order they lie there.
std::vector<PieceRef> pieces_in(const Manifest& manifest, const std::string& file) {
  std::vector<PieceRef> out;
  for (const ManifestTensor& tensor : manifest.tensors)
    for (const ManifestPiece& piece : tensor.pieces)
      if (piece.file == file && byte_count(tensor, piece) > 0) out.push_back({&tensor, &piece});
  std::sort(out.begin(), out.end(),
            [](const PieceRef& a, const PieceRef& b) { return a.piece->offset < b.piece->offset; });
  return out;
}

// One pass over one file for the digests of the file and of every piece in it.
class FileVerifier {
 public:
  FileVerifier(const ReadableFile& file, const DamagePlace& place, int format)
      : file_(file), place_(place), all_bytes_(format == 1), piece_(kPiece) {}

  // Bytes that belong to no tensor.
  void between(std::uint64_t end) {
    walk(end, [&](std::span<const std::byte> bytes) { hasher_.update(bytes); });
  }
  // Returns the digests of the leaves.
  std::vector<Digest> piece(const PieceRef& ref) {
    between(ref.piece->offset);
    const Shape shape = rows_of(ref.tensor->shape, ref.piece->rows);
    LeafDigester digester(ref.tensor->dtype, shape);
    walk(ref.piece->offset + byte_count(*ref.tensor, *ref.piece), [&](std::span<const std::byte> bytes) {
      if (all_bytes_) hasher_.update(bytes);
      digester.update(bytes);
    });
    const std::vector<Digest> leaves = digester.finish();
    if (differs(digest_of_leaves(ref.tensor->dtype, shape, leaves), ref.piece->digest))
      throw CheckpointDamage({place_.directory, place_.file, ref.tensor->key.path()},
                             "its bytes differ from the digest in the manifest");
    return leaves;
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
      use(piece);
      at_ += piece.size();
    }
  }

  const ReadableFile& file_;
  DamagePlace place_;
  bool all_bytes_;
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

// A shard beyond those of the manifest comes from another save, as may the manifest: nobody knows which.
void refuse_unlisted(Disk& disk, const std::string& directory, const Manifest& manifest) {
  for (const std::string& name : with_one_retry([&] { return disk.list(directory); })) {
    const bool ours = name == "checkpoint.h5" || name == kIndexFile ||
                      (name.starts_with("shard-") && name.ends_with(".h5"));
    const bool listed = std::any_of(manifest.files.begin(), manifest.files.end(),
                                    [&](const ManifestFile& file) { return file.name == name; });
    if (ours && !listed)
      throw CheckpointDamage({directory, name, ""}, "the manifest does not list this file");
  }
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
  refuse_unlisted(disk, directory, manifest);
  return std::unique_ptr<CheckpointReader>(new CheckpointReader(disk, directory, std::move(manifest)));
}

void CheckpointReader::verify() const {
  std::map<const ManifestPiece*, std::vector<Digest>> leaves;
  for (const ManifestFile& listed : manifest_.files) {
    const auto file = open_listed(disk_, directory_, listed);
    FileVerifier verifier(*file, {directory_, listed.name, ""}, manifest_.format);
    for (const PieceRef& ref : pieces_in(manifest_, listed.name)) leaves[ref.piece] = verifier.piece(ref);
    verifier.end(listed);
  }
  std::map<std::string, Digest> digests;
  for (const ManifestTensor& tensor : manifest_.tensors) {
    // Of a whole tensor, or of one without elements, which lies in no file, this binds dtype and shape.
    std::vector<Digest> all;
    for (const ManifestPiece& piece : tensor.pieces)
      all.insert(all.end(), leaves[&piece].begin(), leaves[&piece].end());
    if (differs(digest_of_leaves(tensor.dtype, tensor.shape, all), tensor.digest))
      throw CheckpointDamage({directory_, "", tensor.key.path()},
                             "its digest in the manifest is not that of its pieces");
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
    auto rest = tensor.bytes;
    for (const ManifestPiece& piece : have.pieces) {
      const auto into = rest.first(byte_count(have, piece));
      rest = rest.subspan(into.size());
      with_one_retry([&] { files.at(piece.file)->read_at(piece.offset, into); });
    }
    // Again, although it was verified: the bytes may have changed since, or this rank may see other ones.
    if (differs(tensor_digest(have.dtype, have.shape, tensor.bytes), have.digest))
      throw CheckpointDamage({directory_, have.split() ? "" : have.pieces.front().file, have.key.path()},
                             "its bytes differ from the digest in the manifest");
  }
}

}  // namespace lockstep
