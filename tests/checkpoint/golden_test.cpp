// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/sharded_save.h"
#include "checkpoint/weights.h"

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
