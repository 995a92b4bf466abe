// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/manifest.h"

#include <gmock/gmock.h>

#include <ctime>
#include <limits>

#include "shelf/fixture.h"

namespace lockstep {
namespace {

Manifest small() {
  Manifest manifest;
  manifest.record = OwnedState(3).state.record;
  manifest.record.eval_modules = {"", "blocks.0.norm"};
  manifest.record.frozen = {"embedding.weight"};
  manifest.record.extra = R"({"loss_scaler":{"scale":65536.0},"unknown":[1,null,{"x":"y"}]})";
  manifest.state_hash = digest_of("state");
  manifest.files = {{"checkpoint.h5", 100, digest_of("file")}};
  manifest.tensors = {{{{"", "seen", "mine"}, DType::kInt64, {2}}, digest_of("x"), {}},
                      {{{"", "a/b \"quoted\"\n"}, DType::kBFloat16, {2, 3}}, digest_of("a"), {}},
                      {{{"exp_avg", "a"}, DType::kFloat8E5M2, {}}, digest_of("b"), {}},
                      {{{"exp_avg", "split"}, DType::kInt8, {5, 2}}, digest_of("c"), {}}};
  manifest.tensors[0].pieces = {{"checkpoint.h5", 64, 0, 2, digest_of("x")}};
  manifest.tensors[1].pieces = {{"checkpoint.h5", 8, 0, 2, digest_of("a")}};
  manifest.tensors[2].pieces = {{"checkpoint.h5", 99, 0, 1, digest_of("b")}};
  manifest.tensors[3].pieces = {{"checkpoint.h5", 20, 0, 3, digest_of("c1")},
                                {"checkpoint.h5", 40, 3, 2, digest_of("c2")}};
  return manifest;
}

TEST(Manifest, ReadsBackWhatItWrote) {
  const Manifest manifest = small();
  const std::string text = write_manifest(manifest);
  const Manifest back = parse_manifest(text, "m");
  EXPECT_EQ(write_manifest(back), text);
  EXPECT_EQ(back.tensors[0].key.section, "mine");
  EXPECT_EQ(back.tensors[0].key.path(), "extra/mine/seen");
  EXPECT_EQ(back.tensors[1].key.name, "a/b \"quoted\"\n");
  EXPECT_EQ(back.tensors[2].key.slot, "exp_avg");
  EXPECT_EQ(back.tensors[2].dtype, DType::kFloat8E5M2);
  EXPECT_EQ(back.digest, manifest_digest(text));
  ASSERT_EQ(back.tensors[3].pieces.size(), 2u);
  EXPECT_EQ(back.tensors[3].pieces[1].first_row, 3);
  EXPECT_EQ(back.tensors[3].pieces[1].digest, digest_of("c2"));
  EXPECT_EQ(back.record.epoch_offset, 192);
  EXPECT_EQ(back.record.epoch_samples, 640);
  EXPECT_EQ(back.record.eval_modules, manifest.record.eval_modules);
  EXPECT_EQ(back.record.frozen, manifest.record.frozen);
  EXPECT_EQ(back.record.extra, manifest.record.extra);
}

// The text with one part replaced, and the digest it ends with made anew.
std::string changed(const std::string& part, const std::string& by) {
  std::string text = write_manifest(small());
  const std::size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  text.replace(at, part.size(), by);
  text.resize(text.rfind("\"manifest_digest\""));
  return text + "\"manifest_digest\": \"" + digest_of(text).hex() + "\"\n}\n";
}

// Open is `extra` alone: of the rest nothing may be missing or of another kind.
TEST(Manifest, IsStrictInAllButItsOpenPart) {
  const std::string extra = "\"extra\": " + small().record.extra;
  EXPECT_EQ(parse_manifest(changed(extra, R"("extra": {"new":{"deep":[[1]]}})"), "m").record.extra,
            R"({"new":{"deep":[[1]]}})");
  const auto refuses = [](const std::string& part, const std::string& by, const std::string& reason) {
    std::string message;
    EXPECT_EQ(code_of([&] { parse_manifest(changed(part, by), "m"); }, &message),
              ExitCode::kNoValidCheckpoint)
        << by;
    EXPECT_THAT(message, testing::HasSubstr(reason));
  };
  refuses(extra, R"("extra": [1])", "\"extra\" is not an object");
  refuses(extra + ",", "", "no member \"extra\"");
  refuses("\"epoch_offset\": 192", "\"epoch_offset\": 641", "beyond the epoch's samples");
  refuses("\"epoch_offset\": 192", "\"epoch_offset\": -1", "not an integer of at least 0");
  refuses("\"epoch_samples\": 640,", "", "no member \"epoch_samples\"");
  refuses("\"eval_modules\": [\"\",", "\"eval_modules\": [7,", "not a text");
  refuses("\"frozen\": [\"embedding.weight\"]", "\"frozen\": {}", "not a list");
  refuses("\"extra/mine\"", "\"extra/\"", "unknown group");
  refuses("\"extra/mine\"", "\"extra\"", "unknown group");
  refuses("\"extra/mine\"", "\"extra/a/b\"", "unknown group");
  refuses("\"extra/mine\"", "\"other/mine\"", "unknown group");
}

TEST(Manifest, HasNoOpenPartBeforeFormat3) {
  std::string message;
  EXPECT_EQ(code_of([] { parse_manifest(changed("\"format\": 3", "\"format\": 2"), "m"); }, &message),
            ExitCode::kNoValidCheckpoint);
  EXPECT_THAT(message, testing::HasSubstr("unknown group \"extra/mine\""));
}

// A forged or damaged list of pieces must not leave rows unread, read twice or read from elsewhere.
TEST(Manifest, RefusesPiecesThatAreNotTheRowsInOrder) {
  const auto refusal = [](auto change) {
    Manifest manifest = small();
    change(manifest.tensors[3]);
    const std::string text = write_manifest(manifest);
    std::string message;
    EXPECT_EQ(code_of([&] { parse_manifest(text, "m"); }, &message), ExitCode::kNoValidCheckpoint);
    return message;
  };
  EXPECT_THAT(refusal([](auto& t) { t.pieces[1].first_row = 2; }), testing::HasSubstr("rows in order"));
  EXPECT_THAT(refusal([](auto& t) { std::swap(t.pieces[0], t.pieces[1]); }),
              testing::HasSubstr("rows in order"));
  EXPECT_THAT(refusal([](auto& t) { t.pieces[1].rows = 1; }), testing::HasSubstr("not all of its rows"));
  EXPECT_THAT(refusal([](auto& t) { t.pieces[1].rows = 3; }), testing::HasSubstr("rows in order"));
  EXPECT_THAT(refusal([](auto& t) { t.pieces[1].offset = 98; }), testing::HasSubstr("beyond the end"));
  EXPECT_THAT(refusal([](auto& t) { t.pieces[1].offset = 24; }), testing::HasSubstr("overlap"));
  EXPECT_THAT(refusal([](auto& t) { t.pieces[1].file = "shard.h5"; }),
              testing::HasSubstr("no file of the list"));
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

double parse_seconds(int members) {
  Manifest manifest = small();
  for (int i = 0; i < members; ++i) manifest.record.config["key." + std::to_string(i)] = "value";
  const std::string text = write_manifest(manifest);
  const std::clock_t start = std::clock();
  EXPECT_EQ(parse_manifest(text, "m").record.config.size(), manifest.record.config.size());
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

// Of the processor, so that a busy machine does not matter. Quadratic, the second would be a minute.
TEST(Manifest, CostsTimeInProportionToItsMembers) {
  const double few = parse_seconds(10'000);
  EXPECT_LT(parse_seconds(160'000), 16 * 4 * (few + 0.01));
}

TEST(Manifest, RefusesANameThatIsThereTwice) {
  std::string text = write_manifest(small());
  text.replace(text.find("\"layout\""), 8, "\"format\"");
  text.resize(text.rfind("\"manifest_digest\""));
  text += "\"manifest_digest\": \"" + digest_of(text).hex() + "\"\n}\n";
  std::string message;
  EXPECT_EQ(code_of([&] { parse_manifest(text, "m"); }, &message), ExitCode::kNoValidCheckpoint);
  EXPECT_THAT(message, testing::HasSubstr("there twice: format"));
}

}  // namespace
}  // namespace lockstep
