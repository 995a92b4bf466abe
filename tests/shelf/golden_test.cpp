// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "checkpoint/index.h"
#include "named/open_weights.h"
#include "shelf/sharded_save.h"

namespace lockstep {
namespace {

// A checkpoint and a weights file of format 1, written once and never again: every later release must read
// them.
const std::string kGolden = std::string(LOCKSTEP_SOURCE_DIR) + "/tests/checkpoint/data/format-1";

// What they hold: three of the tensors of every dtype, small.
OwnedState golden_state() {
  return OwnedState(3, 42, 4);
}

TEST(Golden, Format1StaysReadable) {
  OwnedState owned = golden_state();
  const auto reader = CheckpointReader::open(real_disk(), kGolden + "/step-00000003");
  reader->verify();
  EXPECT_EQ(reader->manifest().format, 1);
  EXPECT_EQ(reader->state_hash().hex(), "862efa55bb6dba1e9a5ca8c2e20b06d0");
  EXPECT_EQ(reader->record().seed, owned.state.record.seed);
  EXPECT_EQ(reader->record().metrics, (std::map<std::string, double>{{"valid_loss", 0.1}}));
  EXPECT_EQ(reader->record().metadata, owned.state.record.metadata);
  expect_reads_back(*reader, owned);
}

TEST(Golden, WeightsOfFormat1StayReadable) {
  const OwnedState owned = golden_state();
  const auto source = open_weights(kGolden + "/weights.h5");
  EXPECT_EQ(source->step(), Step{3});
  for (const StateTensor& tensor : owned.state.tensors) {
    if (!tensor.key.in_model()) continue;
    std::vector<std::byte> bytes(tensor.bytes.size());
    source->read(tensor.key.name, bytes);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), tensor.bytes.begin())) << tensor.key.name;
  }
}

// The same state still gets the same digests: resumed runs compare them over releases.
TEST(Golden, TheStateHashOfFormat1NeverChanges) {
  ScratchFolder scratch;
  OwnedState owned = golden_state();
  const SaveReport report =
      CheckpointStore(scratch / "ckpt", {}, real_disk(), EventLog().sink()).save(owned.state, false);
  EXPECT_EQ(report.state_hash.hex(), "862efa55bb6dba1e9a5ca8c2e20b06d0");
}

// Format 2 came with pieces and shards: both layouts, one tensor large enough to be split.
const std::string kGolden2 = std::string(LOCKSTEP_SOURCE_DIR) + "/tests/checkpoint/data/format-2-";

OwnedState golden_state_of_format_2() {
  OwnedState owned = golden_state();
  owned.state.record.metrics = {{"valid_loss", 0.1}};
  owned.add_tensor({"", "split"}, DType::kFloat32, {100, 784});
  auto& bytes = owned.memory(owned.state.tensors.size() - 1);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i % 61);
  return owned;
}

TEST(Golden, Format2StaysReadable) {
  OwnedState owned = golden_state_of_format_2();
  for (const std::string layout : {"consolidated", "sharded"}) {
    const auto reader = CheckpointReader::open(real_disk(), kGolden2 + layout + "/step-00000003");
    reader->verify();
    EXPECT_EQ(reader->manifest().format, 2);
    EXPECT_EQ(reader->manifest().layout, layout);
    EXPECT_EQ(reader->state_hash().hex(), "240c8d424a1e3bf702c9df1309410d36");
    EXPECT_EQ(reader->record().metrics, owned.state.record.metrics);
    std::size_t split = 0;
    for (const ManifestTensor& tensor : reader->manifest().tensors) split += tensor.split() ? 1 : 0;
    EXPECT_EQ(split, layout == "sharded" ? 1u : 0u);
    expect_reads_back(*reader, owned);
  }
}

TEST(Golden, DISABLED_WritesTheFilesOfFormat2) {
  OwnedState owned = golden_state_of_format_2();
  for (const std::string layout : {"consolidated", "sharded"}) {
    ASSERT_FALSE(fs::exists(kGolden2 + layout)) << "never replaced";
    CheckpointStore store(kGolden2 + layout, {}, real_disk(), EventLog().sink());
    if (layout == "sharded")
      save_sharded(store, owned.state, 2);
    else
      store.save(owned.state, false);
    fs::remove(kGolden2 + layout + "/latest");
  }
}

// Format 3 came with the place in the data, modes of modules, frozen parameters, step counts per parameter
// and the open part.
const std::string kGolden3 = std::string(LOCKSTEP_SOURCE_DIR) + "/tests/checkpoint/data/format-3-";

OwnedState golden_state_of_format_3() {
  OwnedState owned = golden_state_of_format_2();
  TrainRecord& record = owned.state.record;
  record.eval_modules = {"", "layers.0"};
  record.frozen = {"layers.0.bias"};
  record.extra = R"({"loss_scaler":{"scale":65536.0,"good_steps":3},"of a later part":[null,true,"x"]})";
  record.parameter_order = {"layers.0.weight", "layers.0.bias"};
  owned.add_tensor({"step", "layers.0.weight"}, DType::kFloat32, {});
  owned.add_tensor({"", "episodes/seen", "mine"}, DType::kInt64, {3});
  owned.add_tensor({"", "scale", "loss_scaler"}, DType::kFloat32, {});
  return owned;
}

TEST(Golden, Format3StaysReadable) {
  OwnedState owned = golden_state_of_format_3();
  for (const std::string layout : {"consolidated", "sharded"}) {
    const auto reader = CheckpointReader::open(real_disk(), kGolden3 + layout + "/step-00000003");
    reader->verify();
    EXPECT_EQ(reader->manifest().format, 3);
    EXPECT_EQ(reader->manifest().layout, layout);
    EXPECT_EQ(reader->state_hash().hex(), "5d2f77f85a690dcea62cab5dc19124bb");
    const TrainRecord& record = reader->record();
    EXPECT_EQ(record.epoch_offset, 192);
    EXPECT_EQ(record.epoch_samples, 640);
    EXPECT_FALSE(record.epoch_is_over());
    EXPECT_EQ(record.eval_modules, owned.state.record.eval_modules);
    EXPECT_EQ(record.frozen, owned.state.record.frozen);
    EXPECT_EQ(record.extra, owned.state.record.extra);
    expect_reads_back(*reader, owned);
  }
}

TEST(Golden, DISABLED_WritesTheFilesOfFormat3) {
  OwnedState owned = golden_state_of_format_3();
  for (const std::string layout : {"consolidated", "sharded"}) {
    ASSERT_FALSE(fs::exists(kGolden3 + layout)) << "never replaced";
    CheckpointStore store(kGolden3 + layout, {}, real_disk(), EventLog().sink());
    if (layout == "sharded")
      save_sharded(store, owned.state, 2);
    else
      store.save(owned.state, false);
    fs::remove(kGolden3 + layout + "/latest");
  }
}

// The place in the data of the formats that count steps alone.
TEST(Golden, OldFormatsGoOnWhereTheirStepsAre) {
  for (const std::string& folder : {kGolden, kGolden2 + "consolidated", kGolden2 + "sharded"}) {
    const auto reader = CheckpointReader::open(real_disk(), folder + "/step-00000003");
    EXPECT_EQ(reader->record().epoch_offset, 3 * 64);
    EXPECT_EQ(reader->record().epoch_samples, 10 * 64);
    EXPECT_THAT(reader->record().eval_modules, testing::IsEmpty());
    EXPECT_THAT(reader->record().frozen, testing::IsEmpty());
    EXPECT_EQ(reader->record().extra, "{}");
  }
}

// The index of a format is made anew by every later release as it was.
TEST(Golden, IndexesOfOldFormatsAreMadeAnewByteForByte) {
  for (const std::string& folder : {kGolden2 + "sharded", kGolden3 + "sharded"}) {
    const auto reader = CheckpointReader::open(real_disk(), folder + "/step-00000003");
    const std::vector<std::byte> made = index_file(reader->manifest());
    const std::string there = slurp(folder + "/step-00000003/index.h5");
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(made.data()), made.size()), there) << folder;
  }
}

// Run by hand, once a format: `checkpoint_test --gtest_also_run_disabled_tests
// --gtest_filter=*WritesTheFiles*`.
TEST(Golden, DISABLED_WritesTheFiles) {
  ASSERT_FALSE(fs::exists(kGolden)) << "never replaced";
  OwnedState owned = golden_state();
  owned.state.record.metrics = {{"valid_loss", 0.1}};
  CheckpointStore store(kGolden, {}, real_disk(), EventLog().sink());
  store.save(owned.state, false);
  store.write_weights_file(kGolden + "/weights.h5");
}

}  // namespace
}  // namespace lockstep
