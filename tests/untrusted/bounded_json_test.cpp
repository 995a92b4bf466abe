// SPDX-License-Identifier: Apache-2.0
#include "untrusted/bounded_json.h"

#include <gmock/gmock.h>

#include "support/scratch_folder.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

constexpr JsonLimits kLimits{.depth = 3, .values = 10};

std::string refusal(const std::string& text) {
  std::string message;
  EXPECT_EQ(code_of([&] { parse_bounded_json(text, "f", kLimits); }, &message), ExitCode::kNoValidCheckpoint);
  return message;
}

TEST(BoundedJson, KeepsTheOrderOfMembersAndEveryKindOfValue) {
  for (const std::string text :
       {R"({"b":1,"a":[-1,2.5,null,true,"x"]})", "7", "[]", "{}", R"([[[]],{"":{}}])"})
    EXPECT_EQ(parse_bounded_json(text, "f", kLimits).dump(), text);
}

TEST(BoundedJson, CountsLevelsAndValues) {
  EXPECT_EQ(parse_bounded_json("[0,0,0,0,0,0,0,0,0]", "f", kLimits).size(), 9u);
  EXPECT_THAT(refusal("[0,0,0,0,0,0,0,0,0,0]"), HasSubstr("more than 10 values"));
  EXPECT_THAT(refusal("[[[[]]]]"), HasSubstr("nested deeper than 3"));
  EXPECT_THAT(refusal(std::string(1 << 20, '[')), HasSubstr("nested deeper than 3"));
  EXPECT_THAT(refusal(R"({"a":{"b":{"c":{}}}})"), HasSubstr("nested deeper than 3"));
}

TEST(BoundedJson, RefusesANameThatIsThereTwiceInOneObject) {
  EXPECT_THAT(refusal(R"({"a":1,"b":2,"a":3})"), HasSubstr("there twice: a"));
  EXPECT_THAT(refusal(R"({"x":{"a":1,"\u0061":3}})"), HasSubstr("there twice: a"));
  EXPECT_EQ(parse_bounded_json(R"({"x":{"a":1},"a":3})", "f", kLimits).size(), 2u);
}

TEST(BoundedJson, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "[1,]", "{\"a\"}", "nul", "1 2", "\"\xff\"", "[1e999]", "\"\\ud800\""})
    EXPECT_THAT(refusal(text), HasSubstr("f: not JSON")) << text;
}

}  // namespace
}  // namespace lockstep
