// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/index.h"

#include <gmock/gmock.h>

#include "shelf/sharded_save.h"
#include "support/process.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

// What the tools of stock HDF5 see of a sharded checkpoint through its index.
class Index : public ::testing::Test {
 protected:
  void save(const OwnedState& owned, int shards = 2) {
    CheckpointStore store(dir_, {}, real_disk(), log_.sink());
    save_sharded(store, owned.state, shards);
  }
  std::unique_ptr<CheckpointReader> open() { return CheckpointReader::open(real_disk(), checkpoint_); }

  // The bytes of a dataset; empty when it cannot be read.
  std::string dump(const std::string& path, const std::string& file) {
    const std::string out = scratch_ / "dump";
    fs::remove(out);
    const auto result = testing::run({"h5dump", "-d", "/" + path, "-b", "FILE", "-o", out, file});
    return result.code == 0 ? slurp(out) : "";
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  std::string checkpoint_ = dir_ + "/step-00000003";
  std::string index_ = checkpoint_ + "/index.h5";
  EventLog log_;
};

TEST_F(Index, ShowsWholeTensorsFromAnyDirectory) {
  const OwnedState owned = splittable_state(3);
  save(owned);
  // A checkpoint is copied and renamed by people.
  const std::string moved = scratch_ / "moved";
  fs::rename(checkpoint_, moved);
  for (const StateTensor& tensor : owned.state.tensors) {
    if (tensor.bytes.empty() || tensor.key.name == "odd/name%") continue;
    const std::string dumped = dump(tensor.key.path(), moved + "/index.h5");
    ASSERT_EQ(dumped.size(), tensor.bytes.size()) << tensor.key.path();
    EXPECT_EQ(std::memcmp(dumped.data(), tensor.bytes.data(), dumped.size()), 0) << tensor.key.path();
  }
  const auto inside =
      testing::run({"h5dump", "-d", "/model/layers.0.weight", "index.h5"},
                   {.environment = {}, .directory = moved, .limit = std::chrono::seconds(60)});
  EXPECT_EQ(inside.code, 0) << inside.err;
  const auto listing = testing::run({"h5ls", "-r", moved + "/index.h5"});
  EXPECT_THAT(listing.out, HasSubstr("/optimizer/exp_avg/layers.0.weight"));
  const auto train = testing::run({"h5dump", "-a", "/train/step", moved + "/index.h5"});
  EXPECT_THAT(train.out, HasSubstr("(0): 3"));
}

TEST_F(Index, ShowsSplitTensorsOfEveryFloat) {
  OwnedState owned(3, 1, 4);
  std::size_t tensors = 0;
  for (const DType dtype : {DType::kFloat64, DType::kFloat32, DType::kFloat16, DType::kBFloat16,
                            DType::kFloat8E4M3, DType::kFloat8E5M2}) {
    const auto columns = static_cast<std::int64_t>(8'000 / size_of(dtype));
    owned.add_tensor({"", "split/%" + std::to_string(tensors++)}, dtype, {600, columns});
  }
  // Nine shares of six tensors of equal bytes cut each of them.
  save(owned, 9);
  std::size_t split = 0;
  const auto reader = open();
  for (const ManifestTensor& tensor : reader->manifest().tensors) {
    if (!tensor.split()) continue;
    ++split;
    std::string path = tensor.key.path();
    path.replace(path.find("split/%"), 7, "split%2F%25");
    const std::string good = dump(path, index_);
    const auto& bytes =
        std::find_if(owned.state.tensors.begin(), owned.state.tensors.end(), [&](const auto& t) {
          return t.key.path() == tensor.key.path();
        })->bytes;
    ASSERT_EQ(good.size(), bytes.size());
    EXPECT_EQ(std::memcmp(good.data(), bytes.data(), good.size()), 0);
    // One piece away: its rows are NaN, the others as they were.
    const ManifestPiece& piece = tensor.pieces[1];
    fs::rename(checkpoint_ + "/" + piece.file, scratch_ / "away");
    const std::string torn = dump(path, index_);
    ASSERT_EQ(torn.size(), bytes.size()) << tensor.key.path();
    const std::size_t row = bytes.size() / 600;
    const auto first = static_cast<std::size_t>(piece.first_row) * row;
    const auto last = first + static_cast<std::size_t>(piece.rows) * row;
    EXPECT_EQ(torn.substr(0, first), good.substr(0, first));
    EXPECT_EQ(torn.substr(last), good.substr(last));
    const std::size_t size = size_of(tensor.dtype);
    const auto high = static_cast<unsigned char>(torn[first + size - 1]);
    EXPECT_EQ(high & 0x7c, 0x7c) << "an exponent of ones";
    for (std::size_t at = first; at < last; at += size)
      ASSERT_EQ(torn.compare(at, size, torn, first, size), 0);
    fs::rename(scratch_ / "away", checkpoint_ + "/" + piece.file);
  }
  EXPECT_EQ(split, 6u);
  // As values: h5dump prints what any reader would compute with.
  fs::remove(checkpoint_ + "/shard-00008-of-00009.h5");
  const auto printed =
      testing::run({"h5dump", "-d", "/model/split%2F%255", "-s", "599,0", "-c", "1,4", index_});
  EXPECT_THAT(printed.out, HasSubstr("nan, nan, nan, nan")) << printed.err;
}

TEST_F(Index, FailsToOpenAWholeTensorWhoseShardIsMissing) {
  const OwnedState owned = splittable_state(3);
  save(owned);
  std::size_t failed = 0;
  const auto reader = open();
  for (const ManifestTensor& tensor : reader->manifest().tensors) {
    if (tensor.split() || byte_count(tensor) == 0 || tensor.key.name == "odd/name%") continue;
    ++failed;
    const std::string shard = checkpoint_ + "/" + tensor.pieces[0].file;
    ASSERT_FALSE(dump(tensor.key.path(), index_).empty()) << tensor.key.path();
    fs::rename(shard, scratch_ / "away");
    EXPECT_EQ(dump(tensor.key.path(), index_), "") << tensor.key.path();
    fs::rename(scratch_ / "away", shard);
  }
  EXPECT_GE(failed, 10u);
}

TEST_F(Index, IsCoveredByTheManifestAndReadByNobody) {
  save(splittable_state(3));
  const std::string good = slurp(index_);
  for (const std::size_t at : {std::size_t{0}, good.size() / 2, good.size() - 1}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    spill(index_, bad);
    std::string message;
    EXPECT_EQ(code_of([&] { open()->verify(); }, &message), ExitCode::kNoValidCheckpoint);
    EXPECT_THAT(message, HasSubstr("index.h5"));
    OwnedState owned = splittable_state(3);
    open()->read(owned.blank(), false);
  }
}

// Numbers that JSON lacks, and metadata with white space, must come out as the manifest has them.
TEST_F(Index, IsMadeAnewByteForByte) {
  OwnedState owned = splittable_state(3);
  owned.state.record.loss = -std::nan("");
  owned.state.record.metrics = {{"valid_loss", HUGE_VAL}, {"other", -0.0}, {"third", 0.1}};
  owned.state.record.metadata = "{ \"b\" : 1,\n \"a\" : [ 1.50, \"\\u00e9\" ] }";
  save(owned, 3);
  const std::string good = slurp(index_);
  fs::remove(index_);
  EXPECT_EQ(code_of([&] { open(); }), ExitCode::kNoValidCheckpoint);
  rebuild_index(real_disk(), checkpoint_);
  EXPECT_EQ(slurp(index_), good);
  open()->verify();
}

TEST_F(Index, IsNotMadeWhereTheManifestListsNoneOrAnother) {
  OwnedState owned = splittable_state(3);
  CheckpointStore(dir_, {}, real_disk(), log_.sink()).save(owned.state, false);
  EXPECT_EQ(code_of([&] { rebuild_index(real_disk(), checkpoint_); }), ExitCode::kNoValidCheckpoint);
  EXPECT_FALSE(fs::exists(index_));
}

}  // namespace
}  // namespace lockstep
