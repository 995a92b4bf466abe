// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "exchange/python_files.h"

namespace lockstep {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

TEST(HostilePickle, NamesOutsideTheListAreRefusedByName) {
  for (const auto& [module, name] :
       std::vector<std::pair<std::string, std::string>>{{"os", "system"},
                                                        {"posix", "system"},
                                                        {"builtins", "eval"},
                                                        {"builtins", "getattr"},
                                                        {"subprocess", "Popen"},
                                                        {"torch", "load"},
                                                        {"torch.hub", "load"},
                                                        {"torch._utils", "_import_dotted_name"},
                                                        {"torch._utils", "_rebuild_qtensor"},
                                                        {"torch", "FloatStorage.__reduce__"},
                                                        {"numpy.core.multiarray", "_reconstruct"},
                                                        {"collections", "OrderedDict "},
                                                        {"collections.OrderedDict", "__init__"},
                                                        {"", ""}}) {
    const std::string pickle =
        PickleText().global(module, name).text("echo").op(Opcode::kTuple1).op(Opcode::kReduce).stop();
    EXPECT_THAT(refusal_of_pickle(pickle), HasSubstr(module + "." + name));
    const std::string by_stack = PickleText().text(module).text(name).op(Opcode::kStackGlobal).stop();
    EXPECT_THAT(refusal_of_pickle(by_stack), HasSubstr("not on the list"));
  }
}

TEST(HostilePickle, WhatIsOnTheListIsNotCalledWithOtherArguments) {
  const auto call = [](const std::string& module, const std::string& name, const std::string& argument) {
    return PickleText().global(module, name).raw(argument).op(Opcode::kTuple1).op(Opcode::kReduce).stop();
  };
  const std::string text("X\x01\0\0\0x", 6);
  EXPECT_THAT(refusal_of_pickle(call("torch._utils", "_rebuild_tensor_v2", text)), HasSubstr("argument 1"));
  EXPECT_THAT(refusal_of_pickle(call("torch._utils", "_rebuild_parameter", text)), HasSubstr("argument 1"));
  EXPECT_THAT(refusal_of_pickle(call("collections", "OrderedDict", text)), HasSubstr("pairs"));
  EXPECT_THAT(refusal_of_pickle(call("torch", "FloatStorage", text)), HasSubstr("not to be called"));
  EXPECT_THAT(refusal_of_pickle(call("torch", "Size", text)), HasSubstr("no list"));
  const std::string indirect = PickleText().text("f").op(Opcode::kEmptyTuple).op(Opcode::kReduce).stop();
  EXPECT_THAT(refusal_of_pickle(indirect), HasSubstr("no function"));
  const std::string built =
      PickleText().op(Opcode::kEmptyList).op(Opcode::kEmptyDict).op(Opcode::kBuild).stop();
  EXPECT_THAT(refusal_of_pickle(built), HasSubstr("no OrderedDict"));
}

TEST(HostilePickle, OpcodesTorchDoesNotWriteAreRefused) {
  for (int code = 0; code < 256; ++code) {
    const std::string known = std::string("(.0GJKMNQRTUXabcehjqrsteuBC)]}") +
                              "\x80\x81\x85\x86\x87\x88\x89\x8a\x8b" +
                              "\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96";
    if (known.find(static_cast<char>(code)) != std::string::npos) continue;
    EXPECT_THAT(refusal_of_pickle(PickleText().raw(std::string(1, static_cast<char>(code))).stop()),
                HasSubstr("opcode " + std::to_string(code)));
  }
}

TEST(HostilePickle, StackTricksAreRefused) {
  for (const Opcode opcode :
       {Opcode::kPop, Opcode::kTuple, Opcode::kTuple3, Opcode::kAppend, Opcode::kAppends, Opcode::kSetItems,
        Opcode::kReduce, Opcode::kNewObj, Opcode::kBuild, Opcode::kBinPersId, Opcode::kStackGlobal})
    EXPECT_THAT(refusal_of_pickle(PickleText().op(opcode).stop()),
                AnyOf(HasSubstr("too few"), HasSubstr("no mark")));
  // Below the mark there is a value, which is not to be had.
  EXPECT_THAT(refusal_of_pickle(PickleText().op(Opcode::kNone).op(Opcode::kMark).op(Opcode::kPop).stop()),
              HasSubstr("too few"));
  EXPECT_THAT(refusal_of_pickle(PickleText().op(Opcode::kBinGet).raw("\x05").stop()), HasSubstr("memo 5"));
  EXPECT_THAT(refusal_of_pickle(PickleText().op(Opcode::kNone).op(Opcode::kNone).stop()),
              HasSubstr("one value"));
  EXPECT_THAT(refusal_of_pickle(PickleText().stop()), HasSubstr("one value"));
}

TEST(HostilePickle, LengthsBeyondTheFileAllocateNothing) {
  for (const Opcode opcode : {Opcode::kBinUnicode8, Opcode::kBinBytes8})
    EXPECT_THAT(refusal_of_pickle(PickleText().op(opcode).number(std::uint64_t{1} << 60, 8).stop()),
                HasSubstr("ends in the middle"));
  EXPECT_THAT(refusal_of_pickle(PickleText().op(Opcode::kBinUnicode).number(0xFFFFFFFF, 4).stop()),
              HasSubstr("ends in the middle"));
  EXPECT_THAT(refusal_of_pickle(PickleText().op(Opcode::kLong4).number(0x7FFFFFFF, 4).stop()),
              HasSubstr("ends in the middle"));
  EXPECT_THAT(refusal_of_pickle(PickleText().op(Opcode::kLong1).raw(std::string(9, '\x09')).stop()),
              HasSubstr("ends in the middle"));
  EXPECT_THAT(refusal_of_pickle(PickleText().global(std::string(100'000, 'm'), "n").stop()),
              HasSubstr("4096"));
}

TEST(HostilePickle, DeepNestingIsRefusedWithoutRecursion) {
  PickleText deep;
  for (int i = 0; i < 1'000'000; ++i) deep.op(Opcode::kEmptyList);
  for (int i = 1; i < 1'000'000; ++i) deep.op(Opcode::kAppend);
  EXPECT_THAT(refusal_of_pickle(deep.stop()), HasSubstr("nested deeper than 64"));
  PickleText tuples;
  tuples.op(Opcode::kNone);
  for (int i = 0; i < 1'000'000; ++i) tuples.op(Opcode::kTuple1);
  EXPECT_THAT(refusal_of_pickle(tuples.stop()), HasSubstr("nested deeper than 64"));
}

TEST(HostilePickle, MemoBombsAndCyclesAreRefused) {
  // 50 lists, each holding the one before twice: 2^50 values if written out.
  PickleText bomb;
  bomb.op(Opcode::kEmptyList).op(Opcode::kBinPut).raw(std::string(1, '\0'));
  for (int i = 1; i <= 50; ++i) {
    const std::string before(1, static_cast<char>(i - 1)), now(1, static_cast<char>(i));
    bomb.op(Opcode::kEmptyList)
        .op(Opcode::kMark)
        .op(Opcode::kBinGet)
        .raw(before)
        .op(Opcode::kBinGet)
        .raw(before);
    bomb.op(Opcode::kAppends).op(Opcode::kBinPut).raw(now).op(Opcode::kTuple2).op(Opcode::kPop);
    bomb.op(Opcode::kBinGet).raw(now);
  }
  EXPECT_THAT(refusal_of_pickle(bomb.stop()), HasSubstr("shared values"));
  const std::string cycle = PickleText()
                                .op(Opcode::kEmptyList)
                                .op(Opcode::kBinPut)
                                .raw("\x01")
                                .op(Opcode::kBinGet)
                                .raw("\x01")
                                .op(Opcode::kAppend)
                                .stop();
  EXPECT_THAT(refusal_of_pickle(cycle), HasSubstr("holds itself"));
}

// A call that copied its argument would make n copies of n bytes.
TEST(HostilePickle, CallsDoNotMultiplyALargeValue) {
  PickleText calls;
  calls.text(std::string(1'000'000, 'x')).op(Opcode::kBinPut).raw("\x01");
  for (int i = 0; i < 100'000; ++i)
    calls.global("_codecs", "encode")
        .op(Opcode::kBinGet)
        .raw("\x01")
        .op(Opcode::kTuple1)
        .op(Opcode::kReduce)
        .op(Opcode::kPop);
  EXPECT_TRUE(contents_of(*open_pth(pth_with(calls.stop()))).empty());
}

TEST(HostilePickle, SizesBeyondTheStorageAreRefused) {
  const std::int64_t huge = std::int64_t{1} << 60;
  const std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  for (const std::string& pickle : {
           PickleText().tensor("0", 4, {huge}, {1}).stop(),
           PickleText().tensor("0", 4, {huge, huge}, {0, 0}).stop(),
           PickleText().tensor("0", 4, {largest, largest}, {largest, largest}).stop(),
           PickleText().tensor("0", 4, {2}, {largest}).stop(),
           PickleText().tensor("0", 4, {5}, {1}).stop(),
           PickleText().tensor("0", 4, {1}, {1}, largest).stop(),
           PickleText().tensor("0", 4, {4}, {1}, 1).stop(),
           PickleText().tensor("0", huge, {4}, {1}).stop(),
           PickleText().tensor("0", 4, {1 << 20}, {0}).stop(),
           PickleText().tensor("0", 4, {0, huge, huge}, {1, 1, 1}).stop(),
       })
    EXPECT_THAT(refusal_of_pickle(pickle), HasSubstr("storage 0"));
  EXPECT_THAT(refusal_of_pickle(PickleText().tensor("1", 4, {4}, {1}).stop()), HasSubstr("no such storage"));
  EXPECT_THAT(refusal_of_pickle(PickleText().tensor("../0", 4, {4}, {1}).stop()),
              HasSubstr("no such storage"));
  EXPECT_THAT(refusal_of_pickle(PickleText().tensor("0", 4, {-1}, {1}).stop()), HasSubstr("at least 0"));
  EXPECT_THAT(refusal_of_pickle(PickleText().tensor("0", 4, {4}, {-1}).stop()), HasSubstr("at least 0"));
  EXPECT_THAT(refusal_of_pickle(PickleText().tensor("0", 4, {4}, {1}, -1).stop()), HasSubstr("negative"));
  EXPECT_THAT(refusal_of_pickle(PickleText().tensor("0", -4, {4}, {1}).stop()), HasSubstr("negative"));
  EXPECT_THAT(refusal_of_pickle(PickleText().tensor("0", 4, {4}, {}).stop()), HasSubstr("strides"));
  EXPECT_THAT(refusal_of_pickle(PickleText().tensor("0", 4, std::vector<std::int64_t>(40, 1), {}).stop()),
              HasSubstr("40 dimensions"));
}

// Two tensors under one name, or a name nobody can use, would leave it open which one is meant.
TEST(HostilePickle, NamesThatCannotBeUsedAreRefused) {
  const auto dict_of = [](const std::vector<std::string>& names) {
    PickleText pickle;
    pickle.op(Opcode::kEmptyDict).op(Opcode::kMark);
    for (const std::string& name : names) pickle.text(name).tensor("0", 4, {4}, {1});
    return pickle.op(Opcode::kSetItems).stop();
  };
  EXPECT_THAT(refusal_of_pickle(dict_of({"a", "a"})), HasSubstr("key twice: a"));
  EXPECT_THAT(refusal_of_pickle(dict_of({""})), HasSubstr("empty name"));
  EXPECT_THAT(refusal_of_pickle(dict_of({std::string(65'536, 'n')})), HasSubstr("65536 bytes"));
}

TEST(HostilePickle, OddNamesAreDataAndNeverPaths) {
  PickleText pickle;
  pickle.op(Opcode::kEmptyDict).op(Opcode::kMark);
  const std::vector<std::string> names = {
      "../x", "/etc/passwd", std::string("a\0b", 3), "line\nbreak", ".", "A", "a"};
  for (const std::string& name : names) pickle.text(name).tensor("0", 4, {4}, {1});
  const auto file = open_pth(pth_with(pickle.op(Opcode::kSetItems).stop(), {{"0", std::string(16, 'x')}}));
  const auto found = contents_of(*file);
  EXPECT_EQ(found.size(), names.size());
  for (const std::string& name : names) EXPECT_TRUE(found.contains(name));
}

}  // namespace
}  // namespace lockstep
