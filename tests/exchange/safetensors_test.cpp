// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "exchange/formats/safetensors_writer.h"
#include "exchange/python_files.h"

namespace lockstep {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

std::shared_ptr<MemoryFile> file_with(const std::string& header, std::size_t payload,
                                      std::optional<std::uint64_t> length = std::nullopt) {
  std::string text;
  const std::uint64_t claimed = length.value_or(header.size());
  for (int i = 0; i < 8; ++i) text.push_back(static_cast<char>(claimed >> (8 * i)));
  return std::make_shared<MemoryFile>(text + header + std::string(payload, 'x'));
}

std::string refusal_of(const std::shared_ptr<MemoryFile>& file) {
  return refusal([&] { contents_of(*open_safetensors(file, "hostile.safetensors")); });
}

std::string entry(const std::string& name, const std::string& rest) {
  return "\"" + name + "\":{\"dtype\":\"F32\"," + rest + "}";
}

TEST(Safetensors, WhatIsWrittenReadsBackInEveryDtype) {
  std::vector<OutgoingTensor> tensors;
  for (int i = 0; i < 12; ++i) {
    const auto dtype = static_cast<DType>(i);
    tensors.push_back(
        {{std::string(name_of(dtype)), dtype, i % 2 == 0 ? Shape{3, 2} : Shape{}},
         [i](std::span<std::byte> into) { std::fill(into.begin(), into.end(), std::byte(i)); }});
  }
  tensors.push_back({{"empty", DType::kFloat32, {0, 4}}, nullptr});
  auto file = std::make_shared<MemoryFile>();
  const std::uint64_t written = write_safetensors(*file, tensors, {{"format", "pt"}});
  EXPECT_EQ(written, file->size());
  const auto read = open_safetensors(file, "own");
  const StateDict all = flatten_state_dict(read->root(), "own");
  ASSERT_EQ(all.tensors.size(), 13u);
  for (const OutgoingTensor& written_one : tensors) {
    const PyValue* found = read->root().find(written_one.name);
    ASSERT_NE(found, nullptr) << written_one.name;
    EXPECT_EQ(found->tensor->dtype, name_of(written_one.dtype));
    EXPECT_EQ(found->tensor->shape, written_one.shape);
    EXPECT_EQ(content_of(*read, *found->tensor), written_one.content());
  }
}

TEST(HostileSafetensors, HeadersBeyondTheFileOrTheLimitAreRefused) {
  for (const std::uint64_t length :
       {std::uint64_t{1} << 63, ~std::uint64_t{0}, std::uint64_t{100}, std::uint64_t{65} << 20})
    EXPECT_THAT(refusal_of(file_with("{}", 0, length)), HasSubstr("header claims"));
  EXPECT_THAT(refusal_of(std::make_shared<MemoryFile>(std::string("short"))), HasSubstr("too short"));
  EXPECT_THAT(refusal_of(file_with("[]", 0)), HasSubstr("no object"));
  EXPECT_THAT(refusal_of(file_with("{", 0)), HasSubstr("not JSON"));
  EXPECT_THAT(refusal_of(file_with(std::string(100'000, '['), 0)), HasSubstr("nested deeper"));
}

TEST(HostileSafetensors, OverlapsAndHolesAreRefused) {
  const std::string two = R"("shape":[2],"data_offsets":)";
  EXPECT_THAT(
      refusal_of(file_with("{" + entry("a", two + "[0,8]") + "," + entry("b", two + "[4,12]") + "}", 12)),
      HasSubstr("overlap"));
  EXPECT_THAT(
      refusal_of(file_with("{" + entry("a", two + "[0,8]") + "," + entry("b", two + "[0,8]") + "}", 8)),
      HasSubstr("overlap"));
  EXPECT_THAT(refusal_of(file_with("{" + entry("a", two + "[4,12]") + "}", 12)),
              HasSubstr("belong to no tensor"));
  EXPECT_THAT(refusal_of(file_with("{" + entry("a", two + "[0,8]") + "}", 9)),
              HasSubstr("belong to no tensor"));
}

TEST(HostileSafetensors, SizesThatDoNotFitAreRefused) {
  for (const std::string& rest : {
           std::string(R"("shape":[3],"data_offsets":[0,8])"),
           std::string(R"("shape":[2],"data_offsets":[8,0])"),
           std::string(R"("shape":[2],"data_offsets":[0,1152921504606846976])"),
           std::string(R"("shape":[4611686018427387904,4],"data_offsets":[0,8])"),
           std::string(R"("shape":[4294967296,4294967296],"data_offsets":[0,8])"),
           std::string(R"("shape":[-2],"data_offsets":[0,8])"),
           std::string(R"("shape":[2.0],"data_offsets":[0,8])"),
           std::string(R"("shape":[2],"data_offsets":[0,8,8])"),
           std::string(R"("shape":[2],"data_offsets":[0,8],"more":1)"),
           std::string(R"("shape":[2])"),
       })
    EXPECT_THAT(refusal_of(file_with("{" + entry("a", rest) + "}", 8)), HasSubstr("tensor a")) << rest;
  EXPECT_THAT(refusal_of(file_with(R"({"a":{"dtype":"C63","shape":[1],"data_offsets":[0,8]}})", 8)),
              HasSubstr("C63"));
}

TEST(Safetensors, ADtypeLockstepLacksIsListedBesideTheOthers) {
  const auto file = open_safetensors(
      file_with(
          R"({"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
          16),
      "file");
  EXPECT_EQ(file->root().find("a")->tensor->dtype, "complex64");
  EXPECT_EQ(contents_of(*file).size(), 1u);
}

// As safetensors.torch.save_model writes tied tensors.
TEST(Safetensors, AnAliasInTheMetadataIsASecondNameOfItsTensor) {
  const auto file = open_safetensors(file_with(R"({"__metadata__":{"format":"pt","tied":"b","other":"gone"},)"
                                               R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                                               8),
                                     "file");
  const StateDict all = flatten_state_dict(file->root(), "file");
  ASSERT_EQ(all.tensors.size(), 2u);
  EXPECT_EQ(all.tensors[1].name, "tied");
  EXPECT_EQ(all.tensors[1].alias_of, "b");
  const auto contents = contents_of(*file);
  EXPECT_EQ(contents.at("tied"), contents.at("b"));
}

TEST(HostileSafetensors, NamesThatAreThereTwiceAreRefused) {
  const std::string one = R"("shape":[2],"data_offsets":[0,8])";
  EXPECT_THAT(refusal_of(file_with("{" + entry("a", one) + "," + entry("a", one) + "}", 8)),
              HasSubstr("there twice: a"));
  EXPECT_THAT(
      refusal_of(file_with(R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8)),
      HasSubstr("there twice: dtype"));
}

TEST(HostileSafetensors, MoreTensorsThanTheLimitAreRefused) {
  std::string header = "{";
  for (int i = 0; i <= 100'001; ++i)
    header += (i == 0 ? "" : ",") + entry(std::to_string(i), R"("shape":[0],"data_offsets":[0,0])");
  EXPECT_THAT(refusal_of(file_with(header + "}", 0)), HasSubstr("at most 100000"));
}

TEST(HostileSafetensors, AnIndexNamesOnlyFilesBesideIt) {
  const std::string one = R"("shape":[2],"data_offsets":[0,8])";
  const auto shard = file_with("{" + entry("a", one) + "}", 8);
  std::vector<std::string> opened;
  const auto open = [&](const std::string& index) {
    const MemoryFile file(index);
    return contents_of(*open_sharded_safetensors(file, "index.json", [&](const std::string& name) {
      opened.push_back(name);
      return shard;
    }));
  };
  EXPECT_EQ(open(R"({"weight_map":{"a":"s.safetensors"}})").size(), 1u);
  EXPECT_EQ(opened, std::vector<std::string>{"s.safetensors"});
  for (const std::string name : {"../s", "/etc/passwd", ".hidden", "a/b", "", "nul\\u0000x"}) {
    const std::string index = R"({"weight_map":{"a":")" + name + R"("}})";
    EXPECT_THAT(refusal([&] { open(index); }), HasSubstr("beside the index")) << name;
  }
  EXPECT_EQ(opened.size(), 1u) << "nothing was opened that was refused";
  EXPECT_THAT(refusal([&] { open(R"({"weight_map":{"b":"s"}})"); }), HasSubstr("tensor b is not in s"));
  EXPECT_THAT(refusal([&] { open(R"({"weight_map":[]})"); }), HasSubstr("weight_map"));
  EXPECT_THAT(refusal([&] { open(R"({"weight_map":{"a":"s","a":"t"}})"); }), HasSubstr("there twice"));
}

}  // namespace
}  // namespace lockstep
