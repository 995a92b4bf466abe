// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "shelf/fixture.h"
#include "shelf/newest_whole.h"

namespace lockstep {
namespace {

// Two checkpoints; the newer one is damaged in many ways, and must never be used.
class Damage : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const std::int64_t step : {1, 2}) store().save(OwnedState(step).state, false);
    for (const char* file : {"manifest.json", "checkpoint.h5"}) good_[file] = slurp(newest_ + "/" + file);
  }
  CheckpointStore store() { return {dir_, {}, real_disk(), log_.sink()}; }

  // Writes the newer checkpoint anew, with `bytes` as one of its files.
  void damage(const std::string& file, const std::string& bytes) {
    for (const std::string& name : real_disk().list(dir_))
      if (name.find(".bad") != std::string::npos) fs::remove_all(dir_ + "/" + name);
    fs::create_directories(newest_);
    for (const auto& [name, text] : good_) spill(newest_ + "/" + name, name == file ? bytes : text);
    log_.events.clear();
  }
  // Whether the older one was taken, and the newer refused with this file named.
  ::testing::AssertionResult refused(const std::string& file) {
    const auto reader = newest_whole(store());
    if (!reader || reader->record().step != Step{1})
      return ::testing::AssertionFailure() << "the damaged one was used";
    if (log_.count("checkpoint_refused") != 1) return ::testing::AssertionFailure() << "not said";
    const auto& fields = log_.last("checkpoint_refused");
    if (!fields.contains("file") || fields.at("file") != file)
      return ::testing::AssertionFailure() << "file not named: " << fields.at("reason");
    return ::testing::AssertionSuccess();
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  std::string newest_ = dir_ + "/step-00000002";
  std::map<std::string, std::string> good_;
  EventLog log_;
};

TEST_F(Damage, FindsEachOf300FlippedBitsBeforeUse) {
  const Manifest manifest = parse_manifest(good_["manifest.json"], "m");
  int in_tensors = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    const std::string file = seed % 3 == 0 ? "manifest.json" : "checkpoint.h5";
    std::string bytes = good_[file];
    const std::uint64_t bit = mix_key({26, seed}) % (bytes.size() * 8);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    damage(file, bytes);
    ASSERT_TRUE(refused(file)) << "bit " << bit;
    if (file == "manifest.json") continue;
    std::string hit;
    for (const ManifestTensor& tensor : manifest.tensors)
      if (const std::uint64_t offset = tensor.pieces[0].offset;
          bit / 8 >= offset && bit / 8 < offset + byte_count(tensor))
        hit = tensor.key.path();
    const auto& fields = log_.last("checkpoint_refused");
    EXPECT_EQ(fields.contains("tensor") ? fields.at("tensor") : "", hit);
    in_tensors += hit.empty() ? 0 : 1;
  }
  EXPECT_GT(in_tensors, 150);
}

TEST_F(Damage, UsesFlippedBitsWithoutTheDigests) {
  const ArmedPlan no_guard("nan@point=guard.skip_digest");
  std::string bytes = good_["checkpoint.h5"];
  bytes[bytes.size() / 2] ^= 1;
  damage("checkpoint.h5", bytes);
  EXPECT_FALSE(refused("checkpoint.h5"));
}

TEST_F(Damage, RefusesReadingATensorThatChangedAfterVerification) {
  const auto reader = newest_whole(store());
  std::string bytes = good_["checkpoint.h5"];
  const ManifestTensor& tensor = reader->manifest().tensors.back();
  bytes[tensor.pieces[0].offset] ^= 1;
  spill(newest_ + "/checkpoint.h5", bytes);
  OwnedState owned(2);
  std::string message;
  EXPECT_EQ(code_of([&] { reader->read(owned.blank(), true); }, &message), ExitCode::kNoValidCheckpoint);
  EXPECT_NE(message.find(tensor.key.path()), std::string::npos) << message;
}

TEST_F(Damage, FindsEveryWrongLength) {
  for (const auto& [file, bytes] : good_) {
    for (const std::size_t length : wrong_lengths(bytes.size())) {
      std::string other = bytes;
      other.resize(length);
      damage(file, other);
      ASSERT_TRUE(refused(file)) << file << " " << length;
    }
  }
}

TEST_F(Damage, FindsFilesOfAnotherStep) {
  damage("manifest.json", slurp(dir_ + "/step-00000001/manifest.json"));
  EXPECT_TRUE(refused("manifest.json"));
  EXPECT_NE(log_.last("checkpoint_refused").at("reason").find("step 1"), std::string::npos);
  damage("checkpoint.h5", slurp(dir_ + "/step-00000001/checkpoint.h5"));
  EXPECT_TRUE(refused("checkpoint.h5"));
  // The whole of another step under this name.
  damage("manifest.json", slurp(dir_ + "/step-00000001/manifest.json"));
  spill(newest_ + "/checkpoint.h5", slurp(dir_ + "/step-00000001/checkpoint.h5"));
  EXPECT_TRUE(refused("manifest.json"));
}

TEST_F(Damage, FindsMissingFiles) {
  for (const char* file : {"manifest.json", "checkpoint.h5"}) {
    damage(file, "");
    fs::remove(newest_ + "/" + std::string(file));
    EXPECT_TRUE(refused(file));
  }
}

// The text with `from` replaced and a digest that fits again: what a hostile writer, not a bad disk, would
// make.
std::string forged(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  check(at != std::string::npos, "a forgery replaces something");
  text.replace(at, from.size(), to);
  const std::size_t tail = text.rfind("\"manifest_digest\"");
  return text.substr(0, tail) + "\"manifest_digest\": \"" + digest_of(text.substr(0, tail)).hex() + "\"\n}\n";
}

TEST_F(Damage, RefusesANewerFormatAndSaysWhich) {
  damage("manifest.json", forged(good_["manifest.json"], "\"format\": 3", "\"format\": 4"));
  EXPECT_TRUE(refused("manifest.json"));
  EXPECT_NE(log_.last("checkpoint_refused").at("reason").find("format 4, but this Lockstep reads up to 3"),
            std::string::npos)
      << log_.last("checkpoint_refused").at("reason");
}

TEST_F(Damage, RefusesHostileManifestsWithoutHarm) {
  const std::string& good = good_["manifest.json"];
  const std::vector<std::pair<std::string, std::string>> forgeries = {
      {"\"step\": 2", "\"step\": -2"},
      {"\"step\": 2", "\"step\": 2.5"},
      {"\"step\": 2", "\"step\": 18446744073709551615"},
      {"\"step\": 2", "\"steps\": 2"},
      {"\"name\":\"checkpoint.h5\"", "\"name\":\"../step-00000001/checkpoint.h5\""},
      {"\"name\":\"checkpoint.h5\"", "\"name\":\"/etc/passwd\""},
      {"\"name\":\"checkpoint.h5\"", "\"name\":\"..\""},
      {"\"shape\":[40,784]", "\"shape\":[1099511627776,1099511627776]"},
      {"\"shape\":[40,784]", "\"shape\":[-40,784]"},
      {"\"shape\":[40,784]", "\"shape\":[0,9223372036854775807,9223372036854775807]"},
      {"\"shape\":[40,784]", "\"shape\":" + std::string(1000, '[') + std::string(1000, ']')},
      {"\"shape\":[40,784]", "\"shape\":\"40\""},
      {"\"offset\":", "\"offset\":9"},
      {"\"offset\":", "\"offset\":-"},
      {"\"dtype\":\"bool\"", "\"dtype\":\"complex64\""},
      {"\"group\":\"model\"", "\"group\":\"optimizer/\""},
      {"\"group\":\"model\"", "\"group\":\"elsewhere\""},
      {"\"name\":\"brain\"", "\"name\":\"bn.num_batches_tracked\""},
      {"\"name\":\"brain\"", "\"name\":\"\""},
      {"\"name\":\"brain\"", "\"name\":7"},
      {"\"state_hash\": \"", "\"state_hash\": \"z"},
      {"\"metadata\": ", "\"metadata\": " + std::string(100000, '[')},
      {"\"layout\": \"consolidated\"", "\"layout\": \"other\""},
      {"\"config\": {", "\"config\": {\"x\": 1, "},
      {"{\n", "[\n"},
  };
  for (const auto& [from, to] : forgeries) {
    SCOPED_TRACE(from + " -> " + to.substr(0, 80));
    damage("manifest.json", forged(good, from, to));
    EXPECT_TRUE(refused("manifest.json"));
  }
}

TEST_F(Damage, ParsesOrRefusesEachOf2000ForgedManifests) {
  const std::string good =
      good_["manifest.json"].substr(0, good_["manifest.json"].rfind("\"manifest_digest\""));
  int refusals = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    std::string text = good;
    for (std::uint64_t i = 0; i <= seed % 4; ++i) {
      const std::size_t at = mix_key({seed, i}) % text.size();
      const std::uint64_t kind = mix_key({seed, i, 1}) % 4;
      if (kind == 0) text[at] = "0123456789\"{}[],:-.e"[mix_key({seed, i, 2}) % 20];
      if (kind == 1) text.erase(at, 1 + mix_key({seed, i, 3}) % 20);
      if (kind == 2) text.insert(at, text.substr(mix_key({seed, i, 4}) % text.size(), 30));
      if (kind == 3) text[at] = static_cast<char>(mix_key({seed, i, 5}));
    }
    text += "\"manifest_digest\": \"" + digest_of(text).hex() + "\"\n}\n";
    const ExitCode code = code_of([&] { parse_manifest(text, "forged"); });
    ASSERT_TRUE(code == ExitCode::kDone || code == ExitCode::kNoValidCheckpoint) << seed;
    refusals += code == ExitCode::kNoValidCheckpoint ? 1 : 0;
  }
  EXPECT_GT(refusals, 1000);
}

TEST_F(Damage, NoticesEveryFlippedBitOfThePointer) {
  const std::string good = slurp(dir_ + "/latest");
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string text = good;
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
    spill(dir_ + "/latest", text);
    log_.events.clear();
    EXPECT_EQ(newest_whole(store())->record().step, Step{2});
    EXPECT_EQ(log_.count("pointer_ignored"), 1u) << bit;
  }
}

TEST_F(Damage, NoticesEveryWrongLengthOfThePointer) {
  const std::string good = slurp(dir_ + "/latest");
  for (const std::size_t length : wrong_lengths(good.size())) {
    spill(dir_ + "/latest", good);
    fs::resize_file(dir_ + "/latest", length);
    log_.events.clear();
    EXPECT_EQ(newest_whole(store())->record().step, Step{2});
    EXPECT_EQ(log_.count("pointer_ignored"), 1u) << length;
  }
}

TEST_F(Damage, RefusesTensorsThatOverlap) {
  const std::string& good = good_["manifest.json"];
  const Manifest manifest = parse_manifest(good, "m");
  std::string from;
  for (const ManifestTensor& tensor : manifest.tensors)
    if (tensor.key.path() == "model/mask") from = fmt::format("\"offset\":{}", tensor.pieces[0].offset);
  std::string to;
  for (const ManifestTensor& tensor : manifest.tensors)
    if (tensor.key.path() == "model/ids") to = fmt::format("\"offset\":{}", tensor.pieces[0].offset + 2);
  damage("manifest.json", forged(good, from, to));
  EXPECT_TRUE(refused("manifest.json"));
  EXPECT_NE(log_.last("checkpoint_refused").at("reason").find("overlap"), std::string::npos);
}

TEST_F(Damage, RefusesAForgedStateHash) {
  const Manifest manifest = parse_manifest(good_["manifest.json"], "m");
  damage("manifest.json",
         forged(good_["manifest.json"], manifest.state_hash.hex(), digest_of("other").hex()));
  EXPECT_TRUE(refused("manifest.json"));
}

}  // namespace
}  // namespace lockstep
