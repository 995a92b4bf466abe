// SPDX-License-Identifier: Apache-2.0
#include "exchange/tensor_source.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "checkpoint/damage.h"
#include "checkpoint/digest.h"
#include "checkpoint/reader.h"

namespace lockstep {

namespace {

// What one tensor of a checkpoint is read from.
struct TensorPlace {
  const ManifestTensor& tensor;
  const std::string& directory;
  const std::map<std::string, std::unique_ptr<ReadableFile>>& files;
};

class CheckpointStream : public TensorStream {
 public:
  explicit CheckpointStream(const TensorPlace& from)
      : from_(from),
        digester_(from.tensor),
        left_(byte_count(from.tensor)),
        left_in_piece_(left_ == 0 ? 0 : byte_count(from.tensor, from.tensor.pieces.front())) {
    if (left_ == 0) finish();
  }

  void next(std::span<std::byte> into) override {
    check(into.size() <= left_, "no more is read than the tensor has");
    while (!into.empty()) {
      const ManifestPiece& piece = from_.tensor.pieces[piece_];
      const auto run = into.first(std::min<std::uint64_t>(into.size(), left_in_piece_));
      const std::uint64_t done = byte_count(from_.tensor, piece) - left_in_piece_;
      from_.files.at(piece.file)->read_at(piece.offset + done, run);
      digester_.update(run);
      into = into.subspan(run.size());
      left_ -= run.size();
      left_in_piece_ -= run.size();
      if (left_in_piece_ == 0 && left_ > 0)
        left_in_piece_ = byte_count(from_.tensor, from_.tensor.pieces[++piece_]);
      if (left_ == 0) finish();
    }
  }

 private:
  void finish() {
    if (digest_of_leaves(from_.tensor, digester_.finish()) == from_.tensor.digest) return;
    const std::string file = from_.tensor.pieces.size() == 1 ? from_.tensor.pieces.front().file : "";
    throw CheckpointDamage({from_.directory, file, from_.tensor.key.path()},
                           "its bytes differ from the digest in the manifest");
  }

  TensorPlace from_;
  LeafDigester digester_;
  std::uint64_t left_;
  std::uint64_t left_in_piece_;
  std::size_t piece_ = 0;
};

class CheckpointSource : public TensorSource {
 public:
  CheckpointSource(Disk& disk, const std::string& directory)
      : reader_(CheckpointReader::open(disk, directory)) {
    for (const ManifestFile& file : reader_->manifest().files)
      files_[file.name] = disk.open(directory + "/" + file.name);
    for (const ManifestTensor& tensor : reader_->manifest().tensors) tensors_.push_back({tensor, ""});
  }

  const std::vector<WeightsTensor>& tensors() const override { return tensors_; }
  bool weights_only() const override { return false; }
  std::unique_ptr<TensorStream> stream(std::size_t tensor) const override {
    return std::make_unique<CheckpointStream>(
        TensorPlace{reader_->manifest().tensors.at(tensor), reader_->directory(), files_});
  }

 private:
  std::unique_ptr<CheckpointReader> reader_;
  std::map<std::string, std::unique_ptr<ReadableFile>> files_;
  std::vector<WeightsTensor> tensors_;
};

// Whole, because only then is the digest in a weights file compared.
class WholeTensor : public TensorStream {
 public:
  WholeTensor(const WeightsSource& weights, const WeightsTensor& tensor) : bytes_(byte_count(tensor)) {
    weights.read(tensor.key.name, bytes_);
  }
  void next(std::span<std::byte> into) override {
    check(into.size() <= bytes_.size() - at_, "no more is read than the tensor has");
    if (!into.empty()) std::memcpy(into.data(), bytes_.data() + at_, into.size());
    at_ += into.size();
  }

 private:
  std::vector<std::byte> bytes_;
  std::size_t at_ = 0;
};

class WeightsFileSource : public TensorSource {
 public:
  explicit WeightsFileSource(std::unique_ptr<WeightsSource> weights) : weights_(std::move(weights)) {}
  const std::vector<WeightsTensor>& tensors() const override { return weights_->tensors(); }
  bool weights_only() const override { return true; }
  std::unique_ptr<TensorStream> stream(std::size_t tensor) const override {
    return std::make_unique<WholeTensor>(*weights_, tensors().at(tensor));
  }

 private:
  std::unique_ptr<WeightsSource> weights_;
};

}  // namespace

std::unique_ptr<TensorSource> checkpoint_tensors(Disk& disk, const std::string& directory) {
  return std::make_unique<CheckpointSource>(disk, directory);
}

std::unique_ptr<TensorSource> weights_tensors(std::unique_ptr<WeightsSource> weights) {
  return std::make_unique<WeightsFileSource>(std::move(weights));
}

}  // namespace lockstep
