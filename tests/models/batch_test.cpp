// SPDX-License-Identifier: Apache-2.0
#include "lockstep/models/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "lockstep/models/model.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

Batch batch_of(const std::vector<std::string>& names) {
  Batch::Tensors tensors;
  for (const std::string& name : names) tensors.emplace_back(name, torch::full({2}, double(tensors.size())));
  return Batch(std::move(tensors), names.back());
}

template <class Act>
std::string refusal(Act act) {
  try {
    act();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    return fault.what();
  }
  return "accepted";
}

TEST(Batch, NamesWhatThereIsWhereAFieldIsMissing) {
  const Batch batch = batch_of({"x", "mask", "y"});
  EXPECT_EQ(batch["mask"][0].item<float>(), 1);
  EXPECT_EQ(batch.target()[0].item<float>(), 2);
  EXPECT_TRUE(batch.has("x"));
  EXPECT_FALSE(batch.has("z"));
  EXPECT_THAT(refusal([&] { (void)batch["z"]; }),
              HasSubstr("the batch has no field z; it has x, mask and y"));
}

TEST(Batch, HasOneInputOrSaysWhichThereAre) {
  EXPECT_EQ(batch_of({"x", "y"}).input()[0].item<float>(), 0);
  EXPECT_THAT(refusal([] {
                (void)batch_of({"x", "mask", "y"}).input();
              }),
              HasSubstr("the model takes one input, and the data has x and mask beside the target y"));
  EXPECT_THAT(refusal([] { (void)batch_of({"y"}).input(); }),
              HasSubstr("the data has none beside the target y"));
}

struct OfATensor : Model {
  torch::Tensor forward(torch::Tensor input) override { return input * 3; }
};

// Its loss leaves out what the mask does.
struct OfABatch : Model {
  torch::Tensor forward(const Batch& batch) override { return batch["x"]; }
  torch::Tensor loss(const torch::Tensor& output, const Batch& batch, LossKind) override {
    return ((output - batch.target()) * batch["mask"]).square().mean();
  }
};

TEST(ModelOfABatch, IsCalledWithAllFieldsAndOneOfATensorWithItsInput) {
  OfATensor simple;
  OfABatch whole;
  Model& as_simple = simple;
  Model& as_whole = whole;
  const Batch batch = batch_of({"x", "mask", "y"});
  EXPECT_EQ(as_simple.forward(batch_of({"x", "y"}))[0].item<float>(), 0);
  EXPECT_EQ(as_whole.loss(as_whole.forward(batch), batch, LossKind::kAuto).item<float>(), 4);
  EXPECT_THAT(refusal([&] { as_whole.forward(torch::ones({2})); }),
              HasSubstr("has no forward(torch::Tensor)"));
}

TEST(ModelOfABatch, DoesNotCountPaddingByAccident) {
  OfATensor model;
  Model& as_model = model;
  const Batch padded({{"x", torch::ones({2, 3})}, {"y", torch::ones({2, 3})}, {"y_length", torch::ones({2})}},
                     "y");
  EXPECT_THAT(refusal([&] { as_model.loss(padded["x"], padded, LossKind::kAuto); }),
              HasSubstr("the target y differs in length between samples"));
}

}  // namespace
}  // namespace lockstep
