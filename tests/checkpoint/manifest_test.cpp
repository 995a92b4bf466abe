// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/manifest.h"

#include <limits>

#include "checkpoint/fixture.h"

namespace lockstep {
namespace {

Manifest small() {
  Manifest manifest;
  manifest.record = OwnedState(3).state.record;
  manifest.state_hash = digest_of("state");
  manifest.files = {{"checkpoint.h5", 100, digest_of("file")}};
  manifest.tensors = {
      {{"", "a/b \"quoted\"\n"}, DType::kBFloat16, {2, 3}, "checkpoint.h5", 8, digest_of("a")},
      {{"exp_avg", "a"}, DType::kFloat8E5M2, {}, "checkpoint.h5", 99, digest_of("b")}};
  return manifest;
}

TEST(Manifest, ReadsBackWhatItWrote) {
  const Manifest manifest = small();
  const std::string text = write_manifest(manifest);
  const Manifest back = parse_manifest(text, "m");
  EXPECT_EQ(write_manifest(back), text);
  EXPECT_EQ(back.tensors[0].key.name, "a/b \"quoted\"\n");
  EXPECT_EQ(back.tensors[1].key.slot, "exp_avg");
  EXPECT_EQ(back.tensors[1].dtype, DType::kFloat8E5M2);
  EXPECT_EQ(back.digest, manifest_digest(text));
}

TEST(Manifest, PrintsNumbersThatReadBackEqual) {
  for (const double value :
       {0.1, 1.0 / 3, 1e300, 5e-324, -0.0, 123456789.123456789, std::numeric_limits<double>::max()}) {
    Manifest manifest = small();
    manifest.record.loss = value;
    manifest.record.metrics = {{"valid_loss", value}};
    const Manifest back = parse_manifest(write_manifest(manifest), "m");
    EXPECT_EQ(back.record.loss, value);
    EXPECT_EQ(back.record.metrics.at("valid_loss"), value);
  }
}

TEST(Manifest, WritesALossThatIsNoNumberAsNull) {
  Manifest manifest = small();
  manifest.record.loss = std::nan("");
  const std::string text = write_manifest(manifest);
  EXPECT_NE(text.find("\"loss\": null"), std::string::npos);
  EXPECT_TRUE(std::isnan(parse_manifest(text, "m").record.loss));
}

TEST(Manifest, RefusesToWriteWhatJsonCannotHold) {
  Manifest manifest = small();
  manifest.record.config["note"] = "\xff";
  EXPECT_EQ(code_of([&] { write_manifest(manifest); }), ExitCode::kConfig);
  manifest = small();
  manifest.record.metadata = "{not json";
  EXPECT_EQ(code_of([&] { write_manifest(manifest); }), ExitCode::kConfig);
}

}  // namespace
}  // namespace lockstep
