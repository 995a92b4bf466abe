// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "message.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Wrong {
  const char* name;
  const char* setting;  // key=value
  const char* says;

  friend void PrintTo(const Wrong& one, std::ostream* out) { *out << one.name; }
};

class WrongValue : public ::testing::TestWithParam<Wrong> {};

TEST_P(WrongValue, IsRefusedAsAnOverrideWithWhatIsAccepted) {
  const std::string message = refusal_of(kSmall, {GetParam().setting});
  EXPECT_THAT(message, StartsWith("override " + std::string(GetParam().setting) + ": "));
  EXPECT_THAT(message, HasSubstr(GetParam().says));
}

// The same in a file, with line and column: "train.steps=x" becomes "train:\n  steps: x".
TEST_P(WrongValue, IsRefusedInAFileWithItsPlace) {
  const std::string setting = GetParam().setting;
  const auto dot = setting.find('.');
  const auto equals = setting.find('=');
  const std::string text = setting.substr(0, dot) + ":\n  " + setting.substr(dot + 1, equals - dot - 1) +
                           ": " + setting.substr(equals + 1) + "\n";
  const std::string message = refusal_of(text);
  EXPECT_THAT(message, StartsWith("run.yaml:2:"));
  EXPECT_THAT(message, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Table, WrongValue,
    ::testing::Values(
        Wrong{"IntWord", "train.steps=many",
              "train.steps: expects a whole number >= 1 and <= 1e15, found 'many'"},
        Wrong{"IntReal", "train.steps=1.5", "found '1.5'"},
        Wrong{"IntExponent", "train.steps=1e3", "found '1e3'"}, Wrong{"IntZero", "train.steps=0", ">= 1"},
        Wrong{"IntNegative", "train.steps=-5", ">= 1"}, Wrong{"IntHex", "train.steps=0x10", "in decimal"},
        Wrong{"IntOctal", "train.steps=010", "in decimal"},
        Wrong{"IntUnderscore", "train.steps=1_000", "in decimal"},
        Wrong{"IntOverflow", "train.steps=9223372036854775808", "range of its type"},
        Wrong{"IntQuoted", "train.steps=\"3\"", "Write it without quotes"},
        Wrong{"IntList", "train.steps=[3]", "found a list of 1"},
        Wrong{"IntMap", "train.steps={a: 3}", "found a map"},
        Wrong{"IntBool", "train.steps=true", "found 'true'"},
        Wrong{"IntTooBig", "train.threads=1025", "<= 1024"},
        Wrong{"UintNegative", "run.seed=-1", "run.seed: expects a whole number"},
        Wrong{"UintOverflow", "run.seed=18446744073709551616", "range of its type"},
        Wrong{"RealWord", "optim.lr=fast", "optim.lr: expects a number >= 0, found 'fast'"},
        Wrong{"RealNan", "optim.lr=.nan", "NaN and infinity are not accepted"},
        Wrong{"RealPlainNan", "optim.lr=nan", "NaN and infinity are not accepted"},
        Wrong{"RealInf", "optim.lr=-.inf", "NaN and infinity are not accepted"},
        Wrong{"RealOverflow", "optim.lr=1e999", "range of its type"},
        Wrong{"RealUnderflow", "optim.lr=1e-999", "range of its type"},
        Wrong{"RealNegative", "optim.lr=-1e-3", ">= 0"}, Wrong{"RealOpenLow", "optim.eps=0", "> 0"},
        Wrong{"RealOpenHigh", "model.dropout=1", ">= 0 and < 1"},
        Wrong{"RealComma", "optim.lr=1,5", "found '1,5'"},
        Wrong{"BoolNo", "data.shuffle=no", "Only the words true and false"},
        Wrong{"BoolYes", "data.shuffle=yes", "Only the words true and false"},
        Wrong{"BoolOff", "data.shuffle=off", "Only the words true and false"},
        Wrong{"BoolCapital", "data.shuffle=True", "Only the words true and false"},
        Wrong{"BoolNumber", "data.shuffle=1", "expects true or false"},
        Wrong{"WordUnknown", "optim.type=lion", "optim.type: expects one of sgd, adam, adamw, found 'lion'"},
        Wrong{"WordCase", "train.dtype=Float32", "expects one of float32, float64"},
        Wrong{"ListScalar", "model.hidden=3", "model.hidden: expects a list of whole numbers"},
        Wrong{"ListItem", "model.hidden=[3, x]", "found 'x'"},
        Wrong{"ListRange", "model.hidden=[3, 0]", "each >= 1"},
        Wrong{"ListShort", "optim.betas=[0.9]", "optim.betas: expects a list of numbers of 2 items"},
        Wrong{"ListLong", "optim.betas=[0.9, 0.99, 0.9]", "found a list of 3"},
        Wrong{"ListNested", "model.hidden=[[3]]", "found a list of 1"},
        Wrong{"TextMap", "run.name={a: 1}", "run.name: expects text, found a map"},
        Wrong{"TextEmpty", "run.name=\"\"", "run.name: expects text"},
        Wrong{"TextEscape", "run.name=\"a\\nb\"", "text over several lines"},
        Wrong{"MetadataList", "run.metadata=[1]", "run.metadata: expects a map, found a list"},
        Wrong{"MetadataNan", "run.metadata={x: .nan}", "'.nan' is not a number"}),
    [](const auto& info) { return info.param.name; });

TEST(Values, AcceptsTheNumbersPeopleWrite) {
  EXPECT_EQ(load_text(kSmall, {"optim.lr=1e-3"}).optim.lr, 1e-3);
  EXPECT_EQ(load_text(kSmall, {"optim.lr=.5"}).optim.lr, 0.5);
  EXPECT_EQ(load_text(kSmall, {"optim.lr=1"}).optim.lr, 1.0);
  EXPECT_EQ(load_text(kSmall, {"run.seed=18446744073709551615"}).run.seed, 18446744073709551615u);
  EXPECT_EQ(load_text(kSmall, {"train.steps=1000000000000000"}).train.steps, 1'000'000'000'000'000);
}

TEST(Values, TakesNoAsTextWhereTextIsExpected) {
  EXPECT_EQ(load_text(kSmall, {"run.name=no"}).run.name, "no");
  EXPECT_EQ(load_text(kSmall, {"run.name=2024"}).run.name, "2024");
}

}  // namespace
}  // namespace lockstep
