// SPDX-License-Identifier: Apache-2.0
#include "loop/outside_holders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/loop/data_parallel.h"
#include "loop/session_over.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

struct Net : torch::nn::Module {
  Net() {
    layer = register_module("layer", torch::nn::Linear(3, 2));
    made = register_parameter("made", torch::arange(6.0).view({2, 3}).t());
    seen = register_buffer("seen", torch::zeros({2}));
    register_module("again", layer);
  }
  torch::nn::Linear layer{nullptr};
  torch::Tensor made, seen;
};

TEST(OutsideHolders, AreNoneOfATiedModuleWithParametersThatWereViews) {
  const Net net;
  EXPECT_THAT(held_elsewhere(net, {}), IsEmpty());
  const torch::Tensor handle = net.layer->weight;
  EXPECT_THAT(held_elsewhere(net, {}), IsEmpty()) << "the tensor itself";
}

TEST(OutsideHolders, AreDetachedOnesViewsAndBases) {
  Net net;
  const torch::Tensor detached = net.layer->weight.detach();
  const torch::Tensor view = net.seen.view({2, 1});
  EXPECT_THAT(held_elsewhere(net, {}), UnorderedElementsAre("layer.weight", "seen"));
  const torch::Tensor flat = torch::arange(4.0);
  net.register_parameter("part", flat.narrow(0, 0, 2));
  EXPECT_THAT(held_elsewhere(net, {}), UnorderedElementsAre("layer.weight", "seen", "part"));
  EXPECT_THAT(held_elsewhere(net, {net.layer->weight.unsafeGetTensorImpl()}),
              UnorderedElementsAre("seen", "part"));
}

TEST(OutsideHolders, AreWarnedOfAtTheFirstDataParallel) {
  const auto session = serial_session();
  Net net;
  const torch::Tensor target = net.layer->weight.detach();
  for (const bool first : {true, false}) {
    ::testing::internal::CaptureStderr();
    const DataParallel parallel(*session, net);
    const std::string said = ::testing::internal::GetCapturedStderr();
    if (first)
      EXPECT_THAT(said, HasSubstr("warning: of layer.weight there is another tensor over the same memory"));
    else
      EXPECT_THAT(said, IsEmpty());
  }
}

}  // namespace
}  // namespace lockstep
