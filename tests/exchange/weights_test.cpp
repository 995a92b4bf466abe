// SPDX-License-Identifier: Apache-2.0
#include "named/open_weights.h"

#include <gmock/gmock.h>

#include "shelf/fixture.h"
#include "support/process.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

class Weights : public ::testing::Test {
 protected:
  CheckpointStore store(const CheckpointOptions& options = {}) {
    return {dir_, options, real_disk(), log_.sink()};
  }
  std::string written(const CheckpointOptions& options = {}) {
    const std::string path = scratch_ / "weights.h5";
    store(options).write_weights_file(path);
    return path;
  }
  void expect_model_of(const OwnedState& owned, const WeightsSource& source) {
    std::size_t models = 0;
    for (const StateTensor& tensor : owned.state.tensors) {
      if (!tensor.key.in_model()) continue;
      ++models;
      std::vector<std::byte> bytes(tensor.bytes.size());
      source.read(tensor.key.name, bytes);
      EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), tensor.bytes.begin())) << tensor.key.name;
      for (const WeightsTensor& listed : source.tensors()) {
        if (listed.key.name != tensor.key.name) continue;
        EXPECT_EQ(listed.dtype, tensor.dtype);
        EXPECT_EQ(listed.shape, tensor.shape);
      }
    }
    EXPECT_EQ(source.tensors().size(), models);
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  EventLog log_;
};

TEST_F(Weights, HoldTheModelAloneFromAFileACheckpointOrItsManifest) {
  OwnedState owned(4);
  store().save(owned.state, false);
  const std::string file = written();
  const std::string checkpoint = dir_ + "/step-00000004";
  for (const std::string& path :
       {file, checkpoint, checkpoint + "/manifest.json", checkpoint + "/checkpoint.h5"}) {
    SCOPED_TRACE(path);
    const auto source = open_weights(path);
    expect_model_of(owned, *source);
    if (!path.ends_with("checkpoint.h5")) {
      EXPECT_EQ(source->step(), Step{4});
    }
    std::vector<std::byte> none;
    EXPECT_EQ(code_of([&] { source->read("no.such", none); }), ExitCode::kNoValidCheckpoint);
  }
  const auto listing = testing::run({"h5ls", "-r", file});
  EXPECT_THAT(listing.out, HasSubstr("/model/layers.0.weight"));
  EXPECT_EQ(listing.out.find("optimizer"), std::string::npos);
}

TEST_F(Weights, ComeFromTheBestWhereOneIsKeptAndElseFromTheLast) {
  CheckpointOptions options;
  options.keep_best = {"valid_loss", BestMode::kMin, 1};
  std::int64_t step = 0;
  for (const double loss : {3.0, 1.0, 2.0}) {
    OwnedState owned(++step);
    owned.state.record.metrics = {{"valid_loss", loss}};
    store(options).save(owned.state, step == 2);
  }
  EXPECT_EQ(open_weights(written(options))->step(), Step{2});
  EXPECT_EQ(open_weights(written())->step(), Step{3});
  fs::remove(dir_ + "/best");
  EXPECT_EQ(open_weights(written(options))->step(), Step{2});
}

TEST_F(Weights, NeverComeFromADamagedCheckpoint) {
  for (const std::int64_t step : {1, 2}) store().save(OwnedState(step).state, false);
  std::string bytes = slurp(dir_ + "/step-00000002/checkpoint.h5");
  bytes[bytes.size() / 2] ^= 1;
  spill(dir_ + "/step-00000002/checkpoint.h5", bytes);
  EXPECT_EQ(open_weights(written())->step(), Step{1});
  EXPECT_EQ(log_.count("checkpoint_refused"), 1u);
  fs::remove(dir_ + "/step-00000001/manifest.json");
  EXPECT_EQ(code_of([&] { written(); }), ExitCode::kNoValidCheckpoint);
}

TEST_F(Weights, NameTheTensorThatWasDamaged) {
  OwnedState owned(1);
  store().save(owned.state, false);
  const std::string file = written();
  std::string bytes = slurp(file);
  const StateTensor& large = owned.state.tensors[0];
  const std::size_t at = bytes.find(std::string_view(reinterpret_cast<const char*>(large.bytes.data()), 64));
  ASSERT_NE(at, std::string::npos);
  bytes[at + 1000] ^= 1;
  spill(file, bytes);
  const auto source = open_weights(file);
  std::vector<std::byte> into(large.bytes.size());
  std::string message;
  EXPECT_EQ(code_of([&] { source->read("layers.0.weight", into); }, &message), ExitCode::kNoValidCheckpoint);
  EXPECT_THAT(message, HasSubstr("layers.0.weight"));
}

TEST_F(Weights, AreRefusedAsAFaultWhateverIsFlippedOrCutOff) {
  store().save(OwnedState(1, 1, 4).state, false);
  const std::string file = written();
  const std::string good = slurp(file);
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    std::string bytes = good;
    if (seed % 8 == 0) bytes.resize(mix_key({seed, 1}) % bytes.size());
    for (std::uint64_t flip = 0; flip <= seed % 3 && !bytes.empty(); ++flip)
      bytes[mix_key({seed, flip}) % bytes.size()] ^= static_cast<char>(1 << mix_key({seed, flip, 2}) % 8);
    spill(file, bytes);
    const ExitCode code = code_of([&] {
      const auto source = open_weights(file);
      for (const WeightsTensor& tensor : source->tensors()) {
        std::vector<std::byte> into(static_cast<std::size_t>(element_count(tensor.shape)) *
                                    size_of(tensor.dtype));
        source->read(tensor.key.name, into);
      }
    });
    ASSERT_TRUE(code == ExitCode::kNoValidCheckpoint || code == ExitCode::kDone) << seed;
    refused += code == ExitCode::kNoValidCheckpoint ? 1 : 0;
  }
  EXPECT_GT(refused, 200);
}

TEST_F(Weights, SayWhatIsNotThere) {
  EXPECT_EQ(code_of([&] { open_weights(scratch_ / "nothing.h5"); }), ExitCode::kInputMissing);
  spill(scratch_ / "text", "hello");
  EXPECT_EQ(code_of([&] { open_weights(scratch_ / "text"); }), ExitCode::kNoValidCheckpoint);
  EXPECT_EQ(code_of([&] { open_weights("/dev/null"); }), ExitCode::kNoValidCheckpoint);
  fs::create_directory(scratch_ / "empty");
  EXPECT_EQ(code_of([&] { open_weights(scratch_ / "empty"); }), ExitCode::kNoValidCheckpoint);
}

}  // namespace
}  // namespace lockstep
