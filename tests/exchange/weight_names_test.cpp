// SPDX-License-Identifier: Apache-2.0
#include "exchange/weight_names.h"

#include <gmock/gmock.h>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Names = std::vector<std::string>;

const std::set<std::string> kModel = {"a.weight", "a.bias"};

ExitCode code_of(const Names& names, const NameRules& rules, std::string* said = nullptr) {
  try {
    map_names(names, kModel, rules);
  } catch (const Fault& fault) {
    if (said != nullptr) *said = fault.what();
    return fault.code();
  }
  ADD_FAILURE() << "nothing was refused";
  return ExitCode::kDone;
}

TEST(WeightNames, WrappersThatAllNamesShareComeOffInAnyOrder) {
  for (const std::string prefix :
       {"module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.",
        "model.module._orig_mod.", "module.model.", "_orig_mod.model.module.", "module.module."}) {
    const MappedNames mapped = map_names({prefix + "a.weight", prefix + "a.bias"}, kModel, {});
    EXPECT_THAT(mapped.names, ElementsAre("a.weight", "a.bias")) << prefix;
    EXPECT_FALSE(mapped.said.empty()) << prefix;
  }
}

TEST(WeightNames, AWrapperThatOnlySomeNamesHaveStays) {
  EXPECT_THAT(map_names({"model.a.weight", "loss.weight"}, kModel, {}).names,
              ElementsAre("model.a.weight", "loss.weight"));
}

TEST(WeightNames, AModelThatHasSuchNamesItselfKeepsThem) {
  const MappedNames mapped = map_names({"model.a", "model.b"}, {"model.a", "model.b"}, {});
  EXPECT_THAT(mapped.names, ElementsAre("model.a", "model.b"));
  EXPECT_TRUE(mapped.said.empty());
  EXPECT_THAT(map_names({"module.model.a"}, {"model.a"}, {}).names, ElementsAre("model.a"));
  EXPECT_THAT(map_names({"a._orig_mod.b"}, {"a._orig_mod.b"}, {}).names, ElementsAre("a._orig_mod.b"));
}

TEST(WeightNames, MarksOfWrappedLayersAreTakenOutAndSaid) {
  const MappedNames mapped =
      map_names({"a._orig_mod.weight", "_fsdp_wrapped_module.a._checkpoint_wrapped_module.bias"}, kModel, {});
  EXPECT_THAT(mapped.names, ElementsAre("a.weight", "a.bias"));
  EXPECT_FALSE(mapped.said.empty());
}

TEST(WeightNames, AWholeNameIsNeverTakenAway) {
  EXPECT_THAT(map_names({"module.", "model."}, {}, {}).names, ElementsAre("module.", "model."));
}

TEST(WeightNames, StripAndRenameDoWhatTheySay) {
  EXPECT_THAT(map_names({"net.a.weight", "loss.w"}, kModel, {{}, {"net."}, {}}).names,
              ElementsAre("a.weight", "loss.w"));
  EXPECT_THAT(map_names({"enc.weight", "enc.bias"}, kModel, {{}, {}, {"enc.=a."}}).names,
              ElementsAre("a.weight", "a.bias"));
  EXPECT_THAT(map_names({"weight"}, kModel, {{}, {}, {"=a."}}).names, ElementsAre("a.weight"));
  EXPECT_THAT(map_names({"net.module.a.weight"}, kModel, {{}, {"net."}, {}}).names, ElementsAre("a.weight"));
  EXPECT_THAT(map_names({"module.a.weight"}, kModel, {{}, {"module."}, {}}).names, ElementsAre("a.weight"));
}

TEST(WeightNames, RulesWithoutEffectAndCollisionsAreRefused) {
  std::string said;
  EXPECT_EQ(code_of({"a.weight"}, {{}, {"b."}, {}}, &said), ExitCode::kUsage);
  EXPECT_THAT(said, HasSubstr("no name begins with b."));
  EXPECT_EQ(code_of({"a.weight"}, {{}, {}, {"b.=c."}}), ExitCode::kUsage);
  EXPECT_EQ(code_of({"a.weight"}, {{}, {}, {"a."}}, &said), ExitCode::kUsage);
  EXPECT_THAT(said, HasSubstr("OLD=NEW"));
  EXPECT_EQ(code_of({"a.weight", "b.weight"}, {{}, {}, {"b.=a."}}, &said), ExitCode::kConfig);
  EXPECT_THAT(said, HasSubstr("b.weight"));
  EXPECT_THAT(said, HasSubstr("both become a.weight"));
}

}  // namespace
}  // namespace lockstep
