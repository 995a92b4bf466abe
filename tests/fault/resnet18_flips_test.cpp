// SPDX-License-Identifier: Apache-2.0
// F26 on a real model's checkpoints, as two ranks wrote them: any bit of any file is another one.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "checkpoint/damage.h"
#include "checkpoint/payload_pass.h"
#include "checkpoint/reader.h"
#include "job/job.h"
#include "support/draw.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

class FlippedBits : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::vector<std::string> once = {"checkpoint.layout=" + GetParam(), "train.steps=1"};
    const ProcessResult result = job_.train({.ranks = 2, .overrides = once});
    ASSERT_EQ(result.code, 0) << result.err;
    manifest_ = CheckpointReader::open(real_disk(), folder_)->manifest();
    // HDF5's own bytes come before the tensors.
    for (const ManifestFile& file : manifest_.files)
      files_.push_back({file.name, file.bytes, first_tensor(file)});
    files_.push_back({"manifest.json", fs::file_size(folder_ + "/manifest.json"), 0});
  }

  struct File {
    std::string name;
    std::uint64_t bytes;
    std::uint64_t metadata;  // at its front; 0 for a file without tensors
  };
  struct Bit {
    std::string file;
    std::uint64_t byte;
    int bit;
  };

  std::uint64_t first_tensor(const ManifestFile& file) const {
    std::uint64_t first = 0;
    for (const ManifestTensor& tensor : manifest_.tensors)
      for (const ManifestPiece& piece : tensor.pieces)
        if (piece.file == file.name && byte_count(tensor, piece) > 0 && (first == 0 || piece.offset < first))
          first = piece.offset;
    return first;
  }
  void flip(const Bit& at) const {
    const int fd = ::open((folder_ + "/" + at.file).c_str(), O_RDWR);
    char byte = 0;
    const auto offset = static_cast<off_t>(at.byte);
    ASSERT_EQ(::pread(fd, &byte, 1, offset), 1);
    byte = static_cast<char>(byte ^ (1 << at.bit));
    ASSERT_EQ(::pwrite(fd, &byte, 1, offset), 1);
    ::close(fd);
  }
  // The tensor with this byte; none for a byte outside of all.
  std::optional<std::size_t> tensor_at(const Bit& at) const {
    for (std::size_t i = 0; i < manifest_.tensors.size(); ++i)
      for (const ManifestPiece& piece : manifest_.tensors[i].pieces)
        if (piece.file == at.file && at.byte >= piece.offset &&
            at.byte - piece.offset < byte_count(manifest_.tensors[i], piece))
          return i;
    return std::nullopt;
  }
  // A byte of the file that no tensor has.
  std::uint64_t outside(Draw& draw, const File& file) const {
    for (;;) {
      const Bit at{file.name, draw.below(file.metadata), 0};
      if (!tensor_at(at)) return at.byte;
    }
  }
  // What a load of everything says; or, because 134 MB are a lot to read 10,000 times, one of the tensor or
  // of the file without tensors that is hit.
  std::optional<DamagePlace> refused(const Bit& at, bool whole) const {
    try {
      const auto reader = CheckpointReader::open(real_disk(), folder_);
      const auto tensor = tensor_at(at);
      Manifest manifest = reader->manifest();
      if (whole) {
        reader->verify();
      } else if (tensor) {
        run_payload_pass(real_disk(), folder_, manifest, {{{*tensor, nullptr}}, false, {2, false}});
      } else {
        std::erase_if(manifest.files, [&](const ManifestFile& file) { return file.name != at.file; });
        run_payload_pass(real_disk(), folder_, manifest, {{}, true, {1, false}});
      }
    } catch (const CheckpointDamage& damage) {
      return damage.place();
    }
    return std::nullopt;
  }
  // Any bit of any file; and now and then one of HDF5's own, which are few. That many loads are of
  // everything.
  void flip_drawn(int flips, int whole_loads) {
    Draw draw;
    SCOPED_TRACE("LOCKSTEP_TEST_SEED=" + std::to_string(draw.seed()));
    int in_tensors = 0;
    for (int n = 0; n < flips; ++n) {
      const bool whole = n % (flips / whole_loads) == 0;
      const File& file = draw.one_of(files_);
      Bit at{file.name, draw.below(file.bytes), static_cast<int>(draw.below(8))};
      if (whole && file.metadata > 0 && draw.below(2) == 0) at.byte = outside(draw, file);
      const auto tensor = tensor_at(at);
      in_tensors += tensor ? 1 : 0;
      flip(at);
      const auto place = refused(at, whole || (!tensor && file.metadata > 0));
      flip(at);
      ASSERT_TRUE(place) << at.file << " byte " << at.byte << " bit " << at.bit << " was used";
      EXPECT_EQ(place->file, at.file) << at.byte;
      EXPECT_EQ(place->tensor, tensor ? manifest_.tensors[*tensor].key.path() : "") << at.byte;
    }
    std::printf("%d bits flipped, %d of them in tensors\n", flips, in_tensors);
    EXPECT_GT(in_tensors, flips / 4);
    EXPECT_NO_THROW(CheckpointReader::open(real_disk(), folder_)->verify()) << "every flip was taken back";
  }

  Job job_{resnet18_adamw_config()};
  std::string folder_ = job_.checkpoint(1);
  Manifest manifest_;
  std::vector<File> files_;
};

TEST_P(FlippedBits, AreFoundAndNamedWithTheirTensor) {
  flip_drawn(1000, 20);
}

TEST_P(FlippedBits, NightlyAreFoundAndNamedWithTheirTensor) {
  flip_drawn(10'000, 200);
}

INSTANTIATE_TEST_SUITE_P(Resnet18, FlippedBits, ::testing::Values("sharded", "consolidated"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace lockstep::testing
