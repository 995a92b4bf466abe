// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/catalog.h"

#include "hdf5/link_name.h"
#include "shelf/fixture.h"

namespace lockstep {
namespace {

TEST(Catalog, NamesHaveEightDigitsAndGrow) {
  EXPECT_EQ(step_directory(Step{1200}), "step-00001200");
  EXPECT_EQ(step_directory(Step{123456789}), "step-123456789");
  for (const std::int64_t step :
       {std::int64_t{0}, std::int64_t{99999999}, std::int64_t{100000000}, std::int64_t{9223372036854775807}})
    EXPECT_EQ(step_from_name(step_directory(Step{step})), Step{step});
}

TEST(Catalog, KnowsOnlyItsOwnNames) {
  for (const char* name :
       {"step-", "step-1", "step-0000000", "step-000000001", "step-0000001x", "step--0000001",
        "step-+0000001", "step- 0000001", "Step-00000001", "step-99999999999999999999", "step-00000001/", ""})
    EXPECT_FALSE(step_from_name(name)) << name;
}

TEST(Catalog, TellsTheStepOfDirectoriesSetAside) {
  EXPECT_EQ(step_of_directory("/runs/a/ckpt/step-00000012"), Step{12});
  EXPECT_EQ(step_of_directory("step-00000012.bad-2/"), Step{12});
  EXPECT_EQ(step_of_directory("x/step-00000012.left-3"), Step{12});
  EXPECT_FALSE(step_of_directory("x/step-00000012.keep"));
  EXPECT_FALSE(step_of_directory("my-checkpoint"));
}

TEST(LinkName, GoesThereAndBack) {
  for (const std::string name :
       {"layers.0.weight", "a/b", "a%2Fb", ".", "..", "...", "%", "50%", "tab\there", "\x7f", "ünï"})
    EXPECT_EQ(decode_link(encode_link(name)), name);
  EXPECT_EQ(encode_link("a/b"), "a%2Fb");
  EXPECT_EQ(encode_link("layers.0.weight"), "layers.0.weight");
  EXPECT_NE(encode_link("a/b"), encode_link("a%2Fb"));
  EXPECT_EQ(decode_link("100%zz"), "100%zz");
  EXPECT_EQ(decode_link("%2"), "%2");
  EXPECT_EQ(encode_link(std::string("\0", 1)), "%00");
  EXPECT_THROW(encode_link(""), Bug);
}

}  // namespace
}  // namespace lockstep
