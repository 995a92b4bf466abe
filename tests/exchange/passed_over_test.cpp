// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "exchange/python_files.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

const std::string kFourFloats(16, 'x');

// {"w": a tensor, "beside": what `value` writes}
std::string beside_a_tensor(const PickleText& value) {
  PickleText pickle;
  pickle.op(Opcode::kEmptyDict).op(Opcode::kMark).text("w").tensor("0", 4, {4}, {1}).text("beside");
  std::string written = PickleText(value).stop();
  return pickle.raw(written.substr(2, written.size() - 3)).op(Opcode::kSetItems).stop();
}

// _rebuild_tensor_v2 with a seventh argument: {key: true}.
std::string with_metadata(const std::string& key, Opcode truth) {
  PickleText pickle;
  pickle.op(Opcode::kEmptyDict).text("w");
  pickle.global("torch._utils", "_rebuild_tensor_v2").op(Opcode::kMark).op(Opcode::kMark).text("storage");
  pickle.global("torch", "FloatStorage").text("0").text("cpu").integer(4).op(Opcode::kTuple);
  pickle.op(Opcode::kBinPersId).integer(0).sizes({4}).sizes({1}).op(Opcode::kNewFalse);
  pickle.global("collections", "OrderedDict").op(Opcode::kEmptyTuple).op(Opcode::kReduce);
  pickle.op(Opcode::kEmptyDict).text(key).op(truth).op(Opcode::kSetItem);
  return pickle.op(Opcode::kTuple).op(Opcode::kReduce).op(Opcode::kSetItem).stop();
}

TEST(PassedOver, WhatStandsBesideATensorNeverMakesItUnreadable) {
  const auto object = [](const char* module, const char* name) {
    return PickleText().global(module, name).op(Opcode::kEmptyTuple).op(Opcode::kNewObj);
  };
  const auto with_state = [&](PickleText made) {
    return made.op(Opcode::kEmptyDict).text("lr").integer(1).op(Opcode::kSetItem).op(Opcode::kBuild);
  };
  const std::vector<PickleText> values = {
      PickleText().op(Opcode::kLong1).raw("\x11" + std::string(17, '\x7f')),
      PickleText().op(Opcode::kLong4).number(100'000, 4).raw(std::string(100'000, '\x01')),
      with_state(object("argparse", "Namespace")),
      with_state(object("numpy.core.multiarray", "_reconstruct")),
      object("numpy", "dtype"),
      object("pathlib", "PosixPath"),
      object("__main__", "Config").text("k").integer(2).op(Opcode::kSetItem),
      object("collections", "deque").integer(2).op(Opcode::kAppend),
      PickleText().op(Opcode::kMark).integer(1).op(Opcode::kFrozenSet),
      PickleText().op(Opcode::kEmptySet).op(Opcode::kMark).integer(1).op(Opcode::kAddItems),
      PickleText().global("__main__", "Net"),
      PickleText().global("os", "system").text("touch called").op(Opcode::kTuple1).op(Opcode::kReduce),
      PickleText().op(Opcode::kBinUnicode).number(2, 4).raw("\xff\xfe"),
      PickleText()
          .global("__main__", "Point")
          .op(Opcode::kEmptyTuple)
          .op(Opcode::kEmptyDict)
          .op(Opcode::kNewObjEx),
  };
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto file = open_pth(pth_with(beside_a_tensor(values[i]), {{"0", kFourFloats}}));
    const auto found = contents_of(*file);
    ASSERT_TRUE(found.contains("w")) << i;
    EXPECT_EQ(std::memcmp(found.at("w").data(), kFourFloats.data(), 16), 0) << i;
  }
}

TEST(PassedOver, ATensorWhoseBytesMeanSomethingElseIsRefusedByName) {
  for (const auto& [key, said] : std::map<std::string, std::string>{
           {"neg", "negative bit"}, {"conj", "conjugate bit"}, {"later", "metadata has later"}}) {
    const auto file = open_pth(pth_with(with_metadata(key, Opcode::kNewTrue), {{"0", kFourFloats}}));
    const StateDict all = flatten_state_dict(file->root(), "f");
    EXPECT_THAT(refusal([&] { readable_dtype(*all.tensors[0].tensor, "w"); }), HasSubstr(said));
    EXPECT_THAT(refusal([&] { contents_of(*file); }), HasSubstr(said));
  }
  const auto plain = open_pth(pth_with(with_metadata("neg", Opcode::kNewFalse), {{"0", kFourFloats}}));
  EXPECT_EQ(contents_of(*plain).size(), 1u);
}

TEST(PassedOver, AnObjectAloneIsNoModel) {
  const std::string pickle = PickleText()
                                 .global("__main__", "Net")
                                 .op(Opcode::kEmptyTuple)
                                 .op(Opcode::kNewObj)
                                 .op(Opcode::kEmptyDict)
                                 .op(Opcode::kBuild)
                                 .stop();
  EXPECT_THAT(refusal_of_pickle(pickle), HasSubstr("__main__.Net"));
}

TEST(PassedOver, AQuantisedTensorIsATensorThatIsNotRead) {
  const auto file = open_pth(pth_with(beside_a_tensor(PickleText()
                                                          .global("torch._utils", "_rebuild_qtensor")
                                                          .op(Opcode::kEmptyTuple)
                                                          .op(Opcode::kReduce)),
                                      {{"0", kFourFloats}}));
  const StateDict all = flatten_state_dict(file->root(), "f");
  ASSERT_EQ(all.others.size(), 1u);
  EXPECT_TRUE(is_unread_tensor(*all.others[0].value));
}

}  // namespace
}  // namespace lockstep
