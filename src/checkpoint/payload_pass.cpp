// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/payload_pass.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <optional>
#include <system_error>
#include <thread>

#include "base/aligned_block.h"
#include "base/page_cache.h"
#include "checkpoint/careful_read.h"
#include "checkpoint/damage.h"
#include "checkpoint/digest.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {

namespace {

// Half of a core's cache: what was read is hashed from there.
constexpr std::uint64_t kBlock = 512 * 1024;
// What is read around the page cache waits for the disk, and that likes long reads. Shorter files are not
// worth the question where they are.
constexpr std::uint64_t kDirectBlock = 4u << 20;
// What one thread takes at a time of a large piece.
constexpr std::uint64_t kSlice = 8u << 20;
// Pieces below the size of a leaf are read together with their neighbours; reading a gap of this size costs
// less than another system call.
constexpr std::uint64_t kSmall = 256 * 1024;
constexpr std::uint64_t kNear = 64 * 1024;

// The switch is for the test that shows what is loaded without digests.
bool differs(const Digest& found, const Digest& expected) {
  return found != expected && !fault_requested("guard.skip_digest");
}

// A piece that is read, and what was found.
struct PieceWork {
  const ManifestTensor* tensor = nullptr;
  const ManifestPiece* piece = nullptr;
  std::byte* into = nullptr;
  std::uint64_t bytes = 0;
  std::uint64_t leaf = 0;
  std::vector<Digest> leaves;

  std::uint64_t end() const { return piece->offset + bytes; }
};

struct FileWork {
  const ManifestFile* listed = nullptr;
  std::unique_ptr<ReadableFile> file;
  std::uint64_t block = kBlock;   // of one read
  std::vector<PieceWork> pieces;  // by offset
  Digest outside;
};

// Some leaves of one piece, or all of several small ones, or (no pieces) the bytes outside of all.
struct Task {
  FileWork* file = nullptr;
  std::size_t first_piece = 0;
  std::size_t pieces = 0;
  std::size_t first_leaf = 0;
  std::size_t leaves = 0;
};

// What one thread works with.
class Reader {
 public:
  explicit Reader(const Manifest& manifest) : all_bytes_(manifest.format == 1), block_(kDirectBlock) {}

  void run(const Task& job) {
    if (job.pieces == 0)
      outside(*job.file);
    else if (job.leaves > 0)
      some_leaves(*job.file, job.file->pieces[job.first_piece], job);
    else
      together(*job.file, job);
  }

 private:
  static void read(const FileWork& file, std::uint64_t offset, std::span<std::byte> into) {
    with_one_retry([&] { file.file->read_at(offset, into); });
  }

  // The bytes [at, at + bytes) of a piece, where they belong or in a block of ours.
  std::span<const std::byte> fetch(const FileWork& file, const PieceWork& work, std::uint64_t at,
                                   std::uint64_t bytes) {
    const std::span<std::byte> block(work.into != nullptr ? work.into + at : block_.bytes().data(), bytes);
    read(file, work.piece->offset + at, block);
    return block;
  }

  void some_leaves(const FileWork& file, PieceWork& work, const Task& job) {
    const std::uint64_t end = std::min((job.first_leaf + job.leaves) * work.leaf, work.bytes);
    // As many whole leaves as fit one read. A leaf that comes whole needs no stream, which is slower.
    const std::uint64_t step = file.block / work.leaf * work.leaf;
    for (std::uint64_t at = job.first_leaf * work.leaf; step > 0 && at < end; at += step) {
      const auto block = fetch(file, work, at, std::min(step, end - at));
      for (std::uint64_t leaf = 0; leaf < block.size(); leaf += work.leaf)
        work.leaves[(at + leaf) / work.leaf] =
            digest_of(block.subspan(leaf, std::min(work.leaf, block.size() - leaf)));
    }
    for (std::size_t i = job.first_leaf; step == 0 && i < job.first_leaf + job.leaves; ++i)
      work.leaves[i] = digest_of_long_leaf(file, work, i * work.leaf);
  }

  Digest digest_of_long_leaf(const FileWork& file, const PieceWork& work, std::uint64_t first) {
    const std::uint64_t end = std::min(first + work.leaf, work.bytes);
    Hasher hasher;
    for (std::uint64_t at = first; at < end; at += file.block)
      hasher.update(fetch(file, work, at, std::min(file.block, end - at)));
    return hasher.digest();
  }

  void together(FileWork& file, const Task& job) {
    const std::span works = std::span(file.pieces).subspan(job.first_piece, job.pieces);
    const std::uint64_t first = works.front().piece->offset;
    gathered_.resize(works.back().end() - first);
    read(file, first, gathered_);
    for (PieceWork& work : works) {
      const auto bytes = std::span(gathered_).subspan(work.piece->offset - first, work.bytes);
      if (work.into != nullptr) std::memcpy(work.into, bytes.data(), bytes.size());
      work.leaves[0] = digest_of(bytes);
    }
  }

  // In format 1 a file's digest is over all of its bytes. Gaps lie near each other where tensors are small:
  // those are read together, tensors and all.
  void outside(FileWork& file) {
    Hasher hasher;
    std::uint64_t have = 0;  // gathered_ holds the bytes [have, have + its size)
    gathered_.clear();
    const auto gap = [&](std::uint64_t first, std::uint64_t end) {
      while (first < end) {
        if (first < have || first >= have + gathered_.size()) {
          have = first;
          gathered_.resize(window(file, first, end));
          read(file, have, gathered_);
        }
        const std::uint64_t until = std::min(end, have + gathered_.size());
        hasher.update(std::span(gathered_).subspan(first - have, until - first));
        first = until;
      }
    };
    std::uint64_t at = 0;
    if (!all_bytes_)
      for (const PieceWork& work : file.pieces) {
        gap(at, work.piece->offset);
        at = work.end();
      }
    gap(at, file.listed->bytes);
    file.outside = hasher.digest();
  }

  // Bytes to read from `first`, which lies in a gap that ends at `end`: more gaps while they are near.
  std::uint64_t window(const FileWork& file, std::uint64_t first, std::uint64_t end) const {
    if (all_bytes_) return std::min(kBlock, file.listed->bytes - first);
    auto next =
        std::lower_bound(file.pieces.begin(), file.pieces.end(), end,
                         [](const PieceWork& work, auto offset) { return work.piece->offset < offset; });
    while (end - first < kBlock && next != file.pieces.end() && next->bytes <= kNear) {
      const std::uint64_t after = next->end();
      ++next;
      end = next != file.pieces.end() ? next->piece->offset : file.listed->bytes;
      end = std::max(end, after);
    }
    return std::min(kBlock, end - first);
  }

  bool all_bytes_;
  AlignedBlock block_;
  std::vector<std::byte> gathered_;
};

std::vector<FileWork> work_of(Disk& disk, const std::string& directory, const Manifest& manifest,
                              const PayloadRequest& request) {
  std::map<std::string, std::vector<PieceWork>> by_file;
  for (const PayloadRequest::Tensor& wanted : request.tensors) {
    const ManifestTensor& tensor = manifest.tensors[wanted.index];
    std::byte* into = wanted.into;
    for (const ManifestPiece& piece : tensor.pieces) {
      PieceWork work{&tensor, &piece, into, byte_count(tensor, piece), leaf_bytes(tensor), {}};
      if (work.bytes == 0) continue;
      work.leaves.resize(leaf_count(rows_of(tensor, piece.rows)));
      if (into != nullptr) into += work.bytes;
      by_file[piece.file].push_back(std::move(work));
    }
  }
  std::vector<FileWork> files;
  for (const ManifestFile& listed : manifest.files) {
    FileWork work{&listed, nullptr, kBlock, std::move(by_file[listed.name]), {}};
    if (work.pieces.empty() && !request.whole) continue;
    const bool direct = request.reading.alone && listed.bytes >= kDirectBlock &&
                        !is_mostly_cached(directory + "/" + listed.name);
    if (direct) work.block = kDirectBlock;
    work.file = open_listed(disk, directory, listed, direct);
    std::sort(work.pieces.begin(), work.pieces.end(),
              [](const auto& a, const auto& b) { return a.piece->offset < b.piece->offset; });
    files.push_back(std::move(work));
  }
  return files;
}

void add_slices(std::vector<Task>& jobs, FileWork& file, std::size_t index) {
  const PieceWork& work = file.pieces[index];
  const std::size_t at_a_time = std::max<std::size_t>(1, kSlice / work.leaf);
  for (std::size_t first = 0; first < work.leaves.size(); first += at_a_time)
    jobs.push_back({&file, index, 1, first, std::min(at_a_time, work.leaves.size() - first)});
}

std::vector<Task> jobs_of(std::vector<FileWork>& files, bool whole) {
  std::vector<Task> jobs;
  for (FileWork& file : files) {
    for (std::size_t i = 0; i < file.pieces.size();) {
      const PieceWork& first = file.pieces[i];
      std::size_t n = 1;
      while (first.bytes < kSmall && i + n < file.pieces.size() && file.pieces[i + n].bytes < kSmall &&
             file.pieces[i + n].piece->offset - file.pieces[i + n - 1].end() <= kNear &&
             file.pieces[i + n].end() - first.piece->offset <= kBlock)
        ++n;
      if (first.bytes < kSmall)
        jobs.push_back({&file, i, n, 0, 0});
      else
        add_slices(jobs, file, i);
      i += n;
    }
    if (whole) jobs.push_back({&file, 0, 0, 0, 0});
  }
  return jobs;
}

// Jobs in turn, by all threads. The first Fault ends them all.
void run_jobs(const std::vector<Task>& jobs, const Manifest& manifest, int threads) {
  std::atomic<std::size_t> next{0};
  std::vector<std::exception_ptr> failed(jobs.size());
  const auto work = [&] {
    std::optional<Reader> reader;
    for (std::size_t i = next++; i < jobs.size(); i = next++) try {
        if (!reader) reader.emplace(manifest);
        reader->run(jobs[i]);
      } catch (...) {
        failed[i] = std::current_exception();
        next = jobs.size();
      }
  };
  std::vector<std::jthread> others;
  try {
    for (int i = 1; i < std::min<int>(threads, static_cast<int>(jobs.size())); ++i) others.emplace_back(work);
  } catch (const std::system_error&) {
    // No room for another thread: those there are do all of it.
  }
  work();
  others.clear();
  for (const std::exception_ptr& error : failed)
    if (error) std::rethrow_exception(error);
}

using FoundLeaves = std::map<const ManifestPiece*, std::span<const Digest>>;

FoundLeaves compare_files(const std::string& directory, const std::vector<FileWork>& files, bool whole) {
  FoundLeaves leaves;
  for (const FileWork& file : files) {
    for (const PieceWork& work : file.pieces) {
      const TensorType rows = rows_of(*work.tensor, work.piece->rows);
      if (differs(digest_of_leaves(rows, work.leaves), work.piece->digest))
        throw CheckpointDamage({directory, file.listed->name, work.tensor->key.path()},
                               "its bytes differ from the digest in the manifest");
      leaves[work.piece] = work.leaves;
    }
    if (whole && differs(file.outside, file.listed->digest))
      throw CheckpointDamage({directory, file.listed->name, ""},
                             "bytes outside the tensors differ from the digest in the manifest");
  }
  return leaves;
}

// Of a whole tensor, or of one without elements, which lies in no file, this binds dtype and shape.
void compare_tensor(const std::string& directory, const ManifestTensor& tensor, const FoundLeaves& found) {
  std::vector<Digest> all;
  for (const ManifestPiece& piece : tensor.pieces)
    if (const auto leaves = found.find(&piece); leaves != found.end())
      all.insert(all.end(), leaves->second.begin(), leaves->second.end());
  if (differs(digest_of_leaves(tensor, all), tensor.digest))
    throw CheckpointDamage({directory, "", tensor.key.path()},
                           "its digest in the manifest is not that of its pieces");
}

}  // namespace

void run_payload_pass(Disk& disk, const std::string& directory, const Manifest& manifest,
                      const PayloadRequest& request) {
  std::vector<FileWork> files = work_of(disk, directory, manifest, request);
  const bool direct = std::any_of(files.begin(), files.end(),
                                  [](const FileWork& file) { return file.block == kDirectBlock; });
  // One more, so that the disk need not wait while the others make digests.
  const int threads = request.reading.threads + (direct ? 1 : 0);
  run_jobs(jobs_of(files, request.whole), manifest, threads);
  const FoundLeaves leaves = compare_files(directory, files, request.whole);
  std::map<std::string, Digest> digests;
  for (const PayloadRequest::Tensor& wanted : request.tensors) {
    const ManifestTensor& tensor = manifest.tensors[wanted.index];
    compare_tensor(directory, tensor, leaves);
    digests[tensor.key.path()] = tensor.digest;
  }
  if (request.whole && differs(state_hash(manifest.record.step, digests), manifest.state_hash))
    throw CheckpointDamage({directory, kManifestFile, ""}, "the state hash is not that of its tensors");
}

}  // namespace lockstep
