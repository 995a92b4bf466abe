// SPDX-License-Identifier: Apache-2.0
#include "exchange/match_weights.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class InMemory : public WeightsSource {
 public:
  InMemory& has(const std::string& name, const Shape& shape, int first, DType dtype = DType::kFloat32) {
    std::vector<std::byte> bytes(byte_count(dtype, shape));
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::byte>(first + static_cast<int>(i));
    return keeps({{{"", name}, dtype, shape}, ""}, std::move(bytes));
  }
  InMemory& alias(const std::string& name, const std::string& of) {
    const auto first = std::find_if(tensors_.begin(), tensors_.end(),
                                    [&](const WeightsTensor& tensor) { return tensor.key.name == of; });
    WeightsTensor tensor = *first;
    tensor.key.name = name;
    tensor.alias_of = of;
    return keeps(std::move(tensor), bytes_.at(of));
  }
  InMemory& zeros(const std::string& name, const Shape& shape) {
    return keeps({{{"", name}, DType::kFloat32, shape}, ""},
                 std::vector<std::byte>(byte_count(DType::kFloat32, shape)));
  }
  InMemory& unreadable(const std::string& name) {
    return keeps({{{"", name}, {}}, "", "made by torch._utils._rebuild_qtensor"}, {});
  }

  const std::vector<WeightsTensor>& tensors() const override { return tensors_; }
  std::optional<Step> step() const override { return std::nullopt; }
  void read(const std::string& name, std::span<std::byte> into) const override {
    std::copy(bytes_.at(name).begin(), bytes_.at(name).end(), into.begin());
  }

 private:
  InMemory& keeps(WeightsTensor tensor, std::vector<std::byte> bytes) {
    bytes_[tensor.key.name] = std::move(bytes);
    tensors_.push_back(std::move(tensor));
    std::sort(tensors_.begin(), tensors_.end(),
              [](const auto& a, const auto& b) { return a.key.name < b.key.name; });
    return *this;
  }
  std::vector<WeightsTensor> tensors_;
  std::map<std::string, std::vector<std::byte>> bytes_;
};

WeightsPlace place(const std::string& name, const Shape& shape, DType dtype = DType::kFloat32) {
  return {{name}, dtype, shape};
}

std::vector<std::string> names_of(const WeightsMatch& match) {
  std::vector<std::string> names;
  for (const WeightsTensor* tensor : match.from) names.push_back(tensor == nullptr ? "-" : tensor->key.name);
  return names;
}

WeightsMatch matched(const std::vector<WeightsPlace>& places, const InMemory& source,
                     const NameRules& rules = {}) {
  return match_weights(places, source, rules, Conversion::kWithin);
}

std::string refused(const std::vector<WeightsPlace>& places, const InMemory& source,
                    const NameRules& rules = {}, Conversion conversion = Conversion::kWithin) {
  try {
    match_weights(places, source, rules, conversion);
  } catch (const Fault& fault) {
    return fault.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return "";
}

TEST(MatchWeights, ASkipThatNamesNothingIsIdle) {
  InMemory source;
  source.has("a", {4}, 1).has("head.w", {4}, 9);
  NameRules rules;
  rules.skip = {"head.*", "a", "haed.*"};
  EXPECT_THAT(matched({place("a", {4})}, source, rules).idle_skips, ElementsAre("haed.*"));
}

TEST(MatchWeights, WhatIsMissingLeftOverOrOfAnotherShapeIsNamed) {
  InMemory source;
  source.has("a", {4}, 1).has("b", {1, 4}, 9);
  EXPECT_THAT(refused({place("a", {4})}, source), HasSubstr("b: the file has it, the model does not"));
  EXPECT_THAT(refused({place("a", {4}), place("b", {1, 4}), place("c", {4})}, source),
              HasSubstr("c: the model has it, the file does not"));
  // (n) and (1, n) have the same bytes and are not the same tensor.
  EXPECT_THAT(refused({place("a", {1, 4}), place("b", {1, 4})}, source),
              AllOf(HasSubstr("[4]"), HasSubstr("[1, 4]")));
  EXPECT_THAT(refused({place("a", {4}), place("b", {4})}, source), HasSubstr("[1, 4]"));
}

TEST(MatchWeights, SkippedNamesOfBothSidesAreLeftAlone) {
  InMemory source;
  source.has("a", {4}, 1).has("head.w", {3}, 9).has("head.b", {3}, 9);
  const WeightsMatch match = matched({place("a", {4}), place("head.w", {5})}, source, {{"head.*"}, {}, {}});
  EXPECT_THAT(names_of(match), ElementsAre("a", "-"));
  EXPECT_THAT(match.skipped, ElementsAre("head.w"));
}

TEST(MatchWeights, CountersThatOldFilesLackKeepTheirValues) {
  InMemory source;
  source.has("bn.running_mean", {4}, 1);
  const auto places = {place("bn.running_mean", {4}), place("bn.num_batches_tracked", {}, DType::kInt64)};
  const WeightsMatch match = matched(places, source);
  EXPECT_THAT(names_of(match), ElementsAre("bn.running_mean", "-"));
  ASSERT_EQ(match.said.size(), 1u);
  EXPECT_THAT(match.said[0], HasSubstr("num_batches_tracked"));
  // A file that has some of them is no old one.
  source.has("other.num_batches_tracked", {}, 0, DType::kInt64);
  EXPECT_THAT(refused(places, source), HasSubstr("num_batches_tracked"));
}

TEST(MatchWeights, TiedTensorsFitInEverySpelling) {
  const WeightsPlace embedding = place("wte", {2, 3});
  InMemory shared;
  shared.has("wte", {2, 3}, 1).alias("head", "wte");
  InMemory alias;
  alias.has("head", {2, 3}, 1).alias("wte", "head");
  InMemory copies;
  copies.has("wte", {2, 3}, 1).has("head", {2, 3}, 1);
  for (const InMemory* source : {&shared, &alias, &copies})
    EXPECT_THAT(names_of(matched({embedding}, *source)), ElementsAre("wte"));
  EXPECT_THAT(matched({embedding}, copies).said[0], HasSubstr("head has the bits of wte"));
  const WeightsPlace tied{{"wte", "head"}, DType::kFloat32, {2, 3}};
  InMemory one;
  one.has("head", {2, 3}, 1);
  EXPECT_THAT(names_of(matched({tied}, one)), ElementsAre("head"));
  EXPECT_THAT(names_of(matched({tied}, copies)), ElementsAre("wte"));
}

TEST(MatchWeights, CopiesThatAreNotEqualAreRefusedByName) {
  InMemory source;
  source.has("wte", {2, 3}, 1).has("head", {2, 3}, 2);
  EXPECT_THAT(refused({{{"wte", "head"}, DType::kFloat32, {2, 3}}}, source),
              AllOf(HasSubstr("head"), HasSubstr("wte"), HasSubstr("another in the file")));
  EXPECT_THAT(refused({place("wte", {2, 3})}, source), HasSubstr("head: the file has it"));
}

TEST(MatchWeights, EqualVectorsAndZerosAreNoTies) {
  InMemory vectors;
  vectors.has("a", {4}, 1).has("b", {4}, 1);
  EXPECT_THAT(refused({place("a", {4})}, vectors), HasSubstr("b: the file has it"));
  InMemory zeros;
  zeros.zeros("a", {2, 2}).zeros("b", {2, 2});
  EXPECT_THAT(refused({place("a", {2, 2})}, zeros), HasSubstr("b: the file has it"));
}

// transformers keeps GPT-2's matrices as [in, out]; a square one would fit without a word.
TEST(MatchWeights, TransposedWeightsAreRefusedTheSquareOnesToo) {
  InMemory source;
  source.has("attn.weight", {2, 6}, 1).has("proj.weight", {2, 2}, 9);
  const auto places = {place("attn.weight", {6, 2}), place("proj.weight", {2, 2})};
  EXPECT_THAT(refused(places, source), AllOf(HasSubstr("attn.weight"), HasSubstr("transposed")));
  EXPECT_THAT(refused(places, source, {{"attn.*"}, {}, {}}), HasSubstr("proj.weight"));
  EXPECT_THAT(names_of(matched(places, source, {{"attn.*", "proj.*"}, {}, {}})), ElementsAre("-", "-"));
}

TEST(MatchWeights, NumbersAreConvertedWithinTheirKindOnly) {
  const auto fits = [](DType from, DType to) {
    InMemory source;
    source.has("a", {4}, 1, from);
    try {
      matched({place("a", {4}, to)}, source);
      return true;
    } catch (const Fault&) {
      return false;
    }
  };
  EXPECT_TRUE(fits(DType::kFloat64, DType::kFloat32));
  EXPECT_TRUE(fits(DType::kBFloat16, DType::kFloat32));
  EXPECT_TRUE(fits(DType::kInt32, DType::kInt64));
  EXPECT_FALSE(fits(DType::kInt64, DType::kInt32));
  EXPECT_FALSE(fits(DType::kUInt8, DType::kFloat32));
  EXPECT_FALSE(fits(DType::kFloat32, DType::kInt64));
  EXPECT_FALSE(fits(DType::kBool, DType::kInt64));
  EXPECT_FALSE(fits(DType::kFloat8E4M3, DType::kFloat32)) << "its scale is kept elsewhere";
  InMemory source;
  source.has("a", {4}, 1, DType::kFloat64);
  EXPECT_THAT(refused({place("a", {4})}, source, {}, Conversion::kNone), HasSubstr("float64"));
}

TEST(MatchWeights, WhatCannotBeReadIsRefusedWhereItIsWanted) {
  InMemory source;
  source.has("a", {4}, 1).unreadable("q");
  EXPECT_THAT(refused({place("a", {4}), place("q", {4})}, source), HasSubstr("_rebuild_qtensor"));
  EXPECT_THAT(names_of(matched({place("a", {4})}, source, {{"q"}, {}, {}})), ElementsAre("a"));
}

TEST(MatchWeights, APrefixOfSomeNamesIsSaidWithTheRemedyThatWorks) {
  InMemory source;
  source.has("net.a", {4}, 1);
  EXPECT_THAT(refused({place("a", {4})}, source), HasSubstr("net.a"));
  EXPECT_THAT(names_of(matched({place("a", {4})}, source, {{}, {"net."}, {}})), ElementsAre("net.a"));
  EXPECT_THAT(matched({place("a", {4})}, source, {{}, {"net."}, {}}).said, IsEmpty());
}

}  // namespace
}  // namespace lockstep
