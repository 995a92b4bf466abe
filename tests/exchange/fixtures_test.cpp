// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/json_value.h"
#include "exchange/formats/optimizer_state.h"
#include "exchange/import_weights.h"
#include "exchange/python_files.h"
#include "named/open_weights.h"
#include "shelf/fixture.h"

namespace lockstep {
namespace {

// Made by make_fixtures.py with PyTorch and safetensors themselves.
const std::string kFolder = std::string(LOCKSTEP_SOURCE_DIR) + "/tests/exchange/data/";

// What the script puts into the tensor that is the `index`-th of its file.
Bytes pattern(std::size_t index, DType dtype, std::size_t count) {
  Bytes bytes(count);
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t value = (37 * k + 11 * index) % 251;
    bytes[k] = static_cast<std::byte>(dtype == DType::kBool ? value % 2 : value);
  }
  return bytes;
}

// Compares every tensor with the pattern; the two at the end are views of others.
void expect_patterns(const std::string& name, std::size_t own_tensors) {
  const auto file = open_foreign_file(kFolder + name);
  const StateDict all = flatten_state_dict(file->root(), name);
  ASSERT_EQ(all.tensors.size(), own_tensors + 2);
  std::map<std::string, Bytes> contents;
  for (std::size_t i = 0; i < all.tensors.size(); ++i) {
    const NamedTensor& tensor = all.tensors[i];
    contents[tensor.name] = content_of(*file, *tensor.tensor);
    if (i >= own_tensors) continue;
    const DType dtype = readable_dtype(*tensor.tensor, tensor.name);
    EXPECT_EQ(contents[tensor.name], pattern(i, dtype, byte_count(*tensor.tensor)))
        << name << " " << tensor.name;
    if (tensor.name.starts_with("dtype.")) {
      EXPECT_EQ(tensor.name.substr(6), name_of(dtype));
    }
  }
  EXPECT_EQ(all.tensors[own_tensors].alias_of, "transposed");
  EXPECT_EQ(contents["tied"], contents["transposed"]);
  EXPECT_EQ(contents["row"], Bytes(contents["parameter"].begin() + 8, contents["parameter"].end()));
}

TEST(ExchangeFixtures, EveryDtypeAndStrideOfBothLayoutsReadsAsPythonWroteIt) {
  expect_patterns("all.pth", 21);
  expect_patterns("all.protocol4.pth", 21);
  expect_patterns("all.legacy.pth", 19);
}

TEST(ExchangeFixtures, ModuleIsTakenOffWhenEveryNameHasIt) {
  const auto file = open_foreign_file(kFolder + "data_parallel.pth");
  const StateDict model = flatten_state_dict(file->root(), "file");
  std::vector<std::string> names;
  for (const NamedTensor& tensor : model.tensors) names.push_back(tensor.name);
  const MappedNames mapped = map_names(names, {}, {});
  EXPECT_EQ(mapped.said.size(), 1u);
  EXPECT_EQ(mapped.names[0], "dtype.bool");
  EXPECT_EQ(model.tensors[21].alias_of, "module.transposed");
}

TEST(ExchangeFixtures, SafetensorsReadAloneAndInShards) {
  const auto alone = contents_of(*open_foreign_file(kFolder + "all.safetensors"));
  const auto shards = contents_of(*open_foreign_file(kFolder + "model.safetensors.index.json"));
  auto pth = contents_of(*open_foreign_file(kFolder + "all.pth"));
  pth.erase("tied");
  pth.erase("row");
  EXPECT_EQ(alone.size(), 21u);
  EXPECT_EQ(alone, pth);
  EXPECT_EQ(shards, pth);
}

TEST(ExchangeFixtures, FullCheckpointsOfBothLayoutsHoldModelOptimizerAndNumbers) {
  for (const std::string name : {"adamw.pth", "adamw.legacy.pth", "sgd.pth"}) {
    const auto file = open_foreign_file(kFolder + name);
    const StateDictPair parts = find_state_dicts(file->root(), {}, name);
    EXPECT_EQ(parts.model_key, "model_state_dict");
    EXPECT_EQ(flatten_state_dict(*parts.model, name).tensors.size(), 9u);
    const OptimizerState optimizer = read_optimizer_state(*parts.optimizer, name);
    ASSERT_EQ(optimizer.parameters.size(), 6u);
    const bool sgd = name == "sgd.pth";
    EXPECT_EQ(optimizer.parameters[0].size(), sgd ? 1u : 3u);
    if (!sgd) {
      EXPECT_EQ(step_count(*optimizer.parameters[5].at("step"), *file, name), 3);
    }
    const auto json = json_of(file->root());
    EXPECT_EQ(json["epoch"], 4);
    EXPECT_EQ(json["large"], std::int64_t{1} << 40);
    EXPECT_EQ(json["negative"], -(std::int64_t{1} << 40));
    EXPECT_EQ(json["seen"], (nlohmann::ordered_json{{"a", 2}, {"b", 1}}));
    EXPECT_EQ(json["shape"], (nlohmann::ordered_json{2, 3}));
    EXPECT_EQ(json["pair"], (nlohmann::ordered_json{1, -2}));
    EXPECT_EQ(json["metrics"]["ok"], true);
    EXPECT_EQ(json["device"], "cpu");
    EXPECT_EQ(json["dtype"], "bfloat16");
    EXPECT_TRUE(json["loss"].is_number_float());
  }
}

TEST(ExchangeFixtures, AnyModelImportsToHdf5WithItsSharedTensors) {
  const ScratchFolder scratch;
  const ImportReport report = import_weights(real_disk(), kFolder + "all.pth", {}, scratch / "w.h5");
  EXPECT_EQ(report.tensors, 23u);
  const auto expected = contents_of(*open_foreign_file(kFolder + "all.pth"));
  const auto source = open_weights(scratch / "w.h5");
  ASSERT_EQ(source->tensors().size(), expected.size());
  for (const WeightsTensor& tensor : source->tensors()) {
    Bytes bytes(expected.at(tensor.key.name).size());
    source->read(tensor.key.name, bytes);
    EXPECT_EQ(bytes, expected.at(tensor.key.name)) << tensor.key.name;
    if (tensor.key.name == "transposed") {
      EXPECT_EQ(tensor.alias_of, "tied") << "one dataset under two names";
    }
  }
  EXPECT_THROW(import_weights(real_disk(), kFolder + "all.pth", {}, scratch / "w.h5"), Fault)
      << "never replaced";
}

TEST(ExchangeFixtures, OptimizerOfAnUnknownModelGoesByNumber) {
  const ScratchFolder scratch;
  const ImportReport report = import_weights(real_disk(), kFolder + "adamw.legacy.pth", {}, scratch / "w.h5");
  EXPECT_EQ(report.model_key, "model_state_dict");
  EXPECT_EQ(report.tensors, 9u);
  EXPECT_EQ(report.optimizer_tensors, 18u);
  EXPECT_EQ(open_weights(scratch / "w.h5")->tensors().size(), 9u);
}

TEST(ExchangeFixtures, WeightsOpenStraightFromEveryFormat) {
  for (const std::string name :
       {"all.legacy.pth", "all.safetensors", "model.safetensors.index.json", "sgd.pth"})
    EXPECT_FALSE(open_weights(kFolder + name)->tensors().empty()) << name;
}

TEST(ExchangeFixtures, ADtypeLockstepLacksIsListedAndRefusedByName) {
  const auto file = open_foreign_file(kFolder + "complex.pth");
  EXPECT_EQ(flatten_state_dict(file->root(), "f").tensors[0].tensor->dtype, "complex64");
  const auto weights = open_weights(kFolder + "complex.pth");
  EXPECT_NE(weights->tensors()[0].obstacle.find("complex64"), std::string::npos);
  const std::string said = refusal([&] { weights->read("w", {}); });
  EXPECT_NE(said.find("complex64"), std::string::npos) << said;
  EXPECT_NE(said.find("tensor w"), std::string::npos) << said;
}

}  // namespace
}  // namespace lockstep
