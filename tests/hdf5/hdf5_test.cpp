// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "hdf5/layout.h"
#include "shelf/fixture.h"
#include "support/process.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

// What the tools of stock HDF5 see.
class StockHdf5 : public ::testing::Test {
 protected:
  std::string tool(const std::vector<std::string>& command) {
    const auto result = testing::run(command);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  }
  std::string save(const OwnedState& owned) {
    CheckpointStore(dir_, {}, real_disk(), log_.sink()).save(owned.state, false);
    return dir_ + "/step-00000003/checkpoint.h5";
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  EventLog log_;
};

TEST_F(StockHdf5, ListsEveryTensorByItsNameAndShape) {
  const std::string listing = tool({"h5ls", "-r", save(OwnedState(3))});
  for (const char* line :
       {"/model/layers.0.weight   Dataset {40, 784}", "/model/scale             Dataset {SCALAR}",
        "/model/empty             Dataset {0, 3}", "/model/odd%2Fname%25     Dataset {3}",
        "/optimizer/exp_avg/layers.0.weight Dataset {40, 784}", "/train                   Group"})
    EXPECT_THAT(listing, HasSubstr(line));
}

TEST_F(StockHdf5, ReadsTheBytesOfEveryDType) {
  const OwnedState owned(3);
  const std::string path = save(owned);
  for (const StateTensor& tensor : owned.state.tensors) {
    if (tensor.bytes.empty() || tensor.key.name == "odd/name%") continue;
    const std::string out = scratch_ / "dump";
    tool({"h5dump", "-d", "/" + tensor.key.path(), "-b", "FILE", "-o", out, path});
    const std::string dumped = slurp(out);
    ASSERT_EQ(dumped.size(), tensor.bytes.size()) << tensor.key.path();
    EXPECT_EQ(std::memcmp(dumped.data(), tensor.bytes.data(), dumped.size()), 0) << tensor.key.path();
  }
}

TEST_F(StockHdf5, ReadsTheValuesOfSmallFloatsAndBools) {
  OwnedState owned(3);
  const auto set = [&](const char* name, const std::vector<int>& bytes) {
    for (std::size_t t = 0; t < owned.state.tensors.size(); ++t)
      if (owned.state.tensors[t].key.name == name)
        for (std::size_t i = 0; i < bytes.size(); ++i) owned.memory(t)[i] = static_cast<std::byte>(bytes[i]);
  };
  set("half", {0x00, 0x3e, 0x00, 0xc1});   // 1.5, -2.5
  set("brain", {0xc0, 0x3f, 0x20, 0xc0});  // 1.5, -2.5
  set("e4m3", {0x3c, 0xc2, 0x01});         // 1.5, -2.25 is 0xc1; 0xc2 is -2.5; smallest subnormal
  set("e5m2", {0x3e, 0xc1});               // 1.5, -2.5
  const std::string path = save(owned);
  for (const char* name : {"half", "brain", "e4m3", "e5m2"})
    EXPECT_THAT(tool({"h5dump", "-y", "-d", std::string("/model/") + name, path}), HasSubstr("1.5, -2.5"))
        << name;
  EXPECT_THAT(tool({"h5dump", "-y", "-d", "/model/e4m3", path}), HasSubstr("0.00195312"));
  EXPECT_THAT(tool({"h5dump", "-y", "-d", "/model/mask", path}), HasSubstr("FALSE, TRUE, FALSE, TRUE"));
}

TEST_F(StockHdf5, ShowsTheTrainingRecordAsAttributes) {
  OwnedState owned(3);
  owned.state.record.metrics = {{"valid_loss", 0.25}};
  owned.state.record.metadata = "{\"long\":\"" + std::string(200'000, 'x') + "\"}";
  const std::string path = save(owned);
  EXPECT_THAT(tool({"h5dump", "-a", "/train/step", path}), HasSubstr("(0): 3"));
  EXPECT_THAT(tool({"h5dump", "-a", "/train/seed", path}), HasSubstr("(0): 18446744073709551600"));
  EXPECT_THAT(tool({"h5dump", "-a", "/train/metric.valid_loss", path}), HasSubstr("(0): 0.25"));
  EXPECT_THAT(tool({"h5dump", "-a", "/train/run_id", path}), HasSubstr("run-under-test"));
  EXPECT_THAT(tool({"h5dump", "-a", "/train/config", path}), HasSubstr("adamw"));
  EXPECT_THAT(tool({"h5dump", "-a", "/train/metadata", path}), HasSubstr("xxxxxxxx"));
}

TEST(Hdf5Layout, CoversTheFileWithoutHoleAndAlignsLargeTensors) {
  Hdf5Plan plan;
  plan.groups = {{"/model", {}}};
  for (int i = 0; i < 2000; ++i)
    plan.datasets.push_back(
        {fmt::format("/model/t{}", i), DType::kFloat32, {i % 7 == 0 ? 100'000 : 1 + i % 50}});
  const Hdf5Layout layout = lay_out(plan);
  std::uint64_t covered = 0;
  for (std::size_t i = 0; i < plan.datasets.size(); ++i) {
    if (plan.datasets[i].shape[0] == 100'000) {
      EXPECT_EQ(layout.offsets[i] % 4096, 0u);
    }
    covered += static_cast<std::uint64_t>(plan.datasets[i].shape[0]) * 4;
  }
  std::uint64_t metadata = 0;
  for (const Hdf5MetadataRun& run : layout.metadata) metadata += run.bytes.size();
  EXPECT_EQ(covered + metadata, layout.file_bytes);
  EXPECT_LT(metadata, 2000u * 1500u);
}

TEST(Hdf5Layout, NeverHoldsThePayload) {
  Hdf5Plan plan;
  plan.groups = {{"/model", {}}};
  // 4 TiB: if one byte of payload were touched for each, this test would not come back.
  for (int i = 0; i < 4; ++i)
    plan.datasets.push_back({fmt::format("/model/t{}", i), DType::kFloat64, {1 << 17, 1 << 20}});
  const Hdf5Layout layout = lay_out(plan);
  EXPECT_GT(layout.file_bytes, std::uint64_t{4} << 40);
  std::uint64_t metadata = 0;
  for (const Hdf5MetadataRun& run : layout.metadata) metadata += run.bytes.size();
  EXPECT_LT(metadata, 1u << 20);
}

TEST(Hdf5Layout, TurnsHdf5ErrorsIntoFaults) {
  Hdf5Plan plan;
  plan.groups = {{"/a/b/c", {}}};
  std::string message;
  EXPECT_EQ(code_of([&] { lay_out(plan); }, &message), ExitCode::kStorage);
  EXPECT_THAT(message, HasSubstr("/a/b/c"));
}

}  // namespace
}  // namespace lockstep
