// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "config/effective.h"
#include "message.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kBoth = kSmall + R"(optim:
  groups:
    - match: ["*.bias", "*.ln_*"]
      weight_decay: 0
    - {match: [head.*], lr: 1e-4, betas: [0.8, 0.9], eps: 1e-6}
    - match: [body.*]
      frozen: true
)";

TEST(ConfigGroups, AreReadWithWhatIsGivenAlone) {
  const std::vector<OptimGroup> groups = load_text(kBoth).optim.groups;
  EXPECT_THAT(
      groups,
      ElementsAre(
          OptimGroup{.match = {"*.bias", "*.ln_*"}, .weight_decay = 0.0},
          OptimGroup{.match = {"head.*"}, .lr = 1e-4, .betas = std::array<double, 2>{0.8, 0.9}, .eps = 1e-6},
          OptimGroup{.match = {"body.*"}, .frozen = true}));
}

TEST(ConfigGroups, OfTheEffectiveConfigReadBackEqual) {
  const RunConfig config = load_text(kBoth);
  const RunConfig again = load_text(effective_yaml(config, Secrets::kMask));
  EXPECT_EQ(again.optim.groups, config.optim.groups);
  EXPECT_EQ(again.flat, config.flat);
}

TEST(ConfigGroups, OfAnOverrideTakeThePlaceOfTheFiles) {
  const RunConfig config = load_text(kBoth, {"optim.groups=[{match: [\"*\"], lr: 0.5}]"});
  EXPECT_THAT(config.optim.groups, ElementsAre(OptimGroup{.match = {"*"}, .lr = 0.5}));
  EXPECT_EQ(config.flat.at("optim.groups"), R"([{"lr": 0.5, "match": ["*"]}])");
  EXPECT_TRUE(load_text(kBoth, {"optim.groups=null"}).optim.groups.empty());
}

struct RefusedGroups {
  const char* name;
  const char* optim;
  const char* says;
};

void PrintTo(const RefusedGroups& one, std::ostream* out) {
  *out << one.optim;
}

class ConfigGroupsRefused : public ::testing::TestWithParam<RefusedGroups> {};

TEST_P(ConfigGroupsRefused, WithThePlaceAndWhatWouldDo) {
  EXPECT_THAT(refusal_of(kSmall + "optim: " + GetParam().optim + "\n"), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    For, ConfigGroupsRefused,
    ::testing::Values(
        RefusedGroups{"UnknownKey", "{groups: [{match: [a], weigt_decay: 0}]}",
                      "run.yaml:2:31: optim.groups.weigt_decay: unknown key. Did you mean "
                      "optim.groups.weight_decay?"},
        RefusedGroups{"KeyOfTheSection", "{groups: [{match: [a], type: sgd}]}",
                      "optim.groups.type: unknown key"},
        RefusedGroups{"NoMatch", "{groups: [{lr: 1}]}", "optim.groups: a group without match"},
        RefusedGroups{"EmptyMatch", "{groups: [{match: [], lr: 1}]}",
                      "optim.groups.match: expects a list of texts"},
        RefusedGroups{"NoList", "{groups: {match: [a], lr: 1}}", "optim.groups: expects a list of groups"},
        RefusedGroups{"NoMap", "{groups: [a]}", "optim.groups: expects a list of groups"},
        RefusedGroups{"NothingSaid", "{groups: [{match: [a]}]}", "says nothing of its parameters"},
        RefusedGroups{"FrozenWithNumbers", "{groups: [{match: [a], frozen: true, lr: 1}]}",
                      "numbers of a group that is frozen"},
        RefusedGroups{"OutOfRange", "{groups: [{match: [a], lr: -1}]}",
                      "optim.groups.lr: expects a number >= 0, found '-1'"},
        RefusedGroups{"BetasOfSgd", "{type: sgd, groups: [{match: [a], betas: [0.1, 0.2]}]}",
                      "betas and eps have no effect with optim.type: sgd"},
        RefusedGroups{"LrBesideZero", "{lr: 0, groups: [{match: [a], lr: 1}]}",
                      "lr of a group beside optim.lr 0"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lockstep
