// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>

#include "cli/binary.h"
#include "run/run_lock.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// The real binary on runs/small: checkpoints of steps 4, 8 and 12, the best at 6 or 12.
class CkptVerbs : public Binary {
 protected:
  void SetUp() override {
    Binary::SetUp();
    train({"run.dir=runs/small"});
  }
  ProcessResult ckpt(std::vector<std::string> words) const {
    words.insert(words.begin(), "ckpt");
    return lockstep(words);
  }
  json ckpt_json(std::vector<std::string> words, int code = 0) const {
    words.push_back("--json");
    const ProcessResult result = ckpt(words);
    EXPECT_EQ(result.code, code) << result.err;
    return json::parse(result.out);
  }
  std::string file(const std::string& name) const { return dir_ / ("runs/small/ckpt/" + name); }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(file("")))
      if (entry.path().filename().string().starts_with("step-")) out.push_back(entry.path().filename());
    std::sort(out.begin(), out.end());
    return out;
  }
  void spoil(const std::string& name) const {
    std::fstream out(file(name), std::ios::in | std::ios::out | std::ios::binary);
    out.seekg(-3, std::ios::end);
    const char byte = static_cast<char>(out.get() ^ 4);
    out.seekp(-3, std::ios::end);
    out.put(byte);
  }
};

TEST_F(CkptVerbs, DiffTellsEqualFromDifferentByItsCode) {
  EXPECT_EQ(ckpt({"diff", "runs/small", "runs/small/ckpt/step-00000012"}).code, 0);
  const ProcessResult result =
      ckpt({"diff", "runs/small/ckpt/step-00000004", "runs/small/ckpt/step-00000012"});
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_THAT(result.out, HasSubstr("model/layers.0.weight"));
  EXPECT_THAT(result.out, HasSubstr("worst at ["));
  const json rows = ckpt_json({"diff", "runs/small/ckpt/step-00000004", "runs/small/ckpt/step-00000012"}, 1);
  for (const json& row : rows) {
    EXPECT_EQ(row.size(), 5u) << row;
    if (row["name"] != "model/layers.0.weight") continue;
    EXPECT_EQ(row["equal"], false);
    EXPECT_GT(row["max_abs"].get<double>(), 0);
    EXPECT_GT(row["max_rel"].get<double>(), 0);
    EXPECT_EQ(row["index"].size(), 2u);
  }
}

TEST_F(CkptVerbs, DiffComparesACheckpointWithTheWeightsMadeOfIt) {
  const ProcessResult result = ckpt({"diff", "runs/small", "runs/small/weights.h5"});
  EXPECT_EQ(result.code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("only the model parts"));
}

TEST_F(CkptVerbs, DiffRefusesWhatItCannotRead) {
  expect_refused(ckpt({"diff", "runs/small", "nothing"}), 66, {"nothing"});
  // Inside a tensor: what lies between tensors is for `verify`.
  const json tensor = ckpt_json({"show", "runs/small"})["tensors"][0];
  std::fstream out(file("step-00000012/checkpoint.h5"), std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(tensor["offset"].get<std::int64_t>());
  out.write("\x7f\x7f\x7f", 3);
  out.close();
  expect_refused(ckpt({"diff", "runs/small", "runs/small"}), 65,
                 {"step-00000012", "digest", tensor["name"].get<std::string>()});
}

TEST_F(CkptVerbs, TagsAreListedAndKeptByPrune) {
  EXPECT_EQ(ckpt({"tag", "runs/small", "step-4", "paper-v1"}).code, 0);
  EXPECT_THAT(ckpt({"ls", "runs/small"}).out, HasSubstr("tag:paper-v1"));
  EXPECT_THAT(ckpt({"show", "runs/small/ckpt/step-00000004"}).out, HasSubstr("tags        paper-v1"));
  expect_refused(ckpt({"tag", "runs/small", "step-8", "paper-v1"}), 64, {"step-00000004", "--remove"});
  expect_refused(ckpt({"tag", "runs/small", "step-8", "../x"}), 64, {"not a name"});
  expect_refused(ckpt({"tag", "runs/small", "step-5", "x"}), 66, {"step-00000005"});
  const json plan = ckpt_json({"prune", "runs/small", "--keep-last", "1"});
  EXPECT_EQ(plan["done"], false);
  EXPECT_EQ(plan["removed"].size(), 1u);
  EXPECT_EQ(names().size(), 3u) << "nothing goes without --yes";
  EXPECT_EQ(ckpt({"prune", "runs/small", "--keep-last", "1", "--yes"}).code, 0);
  EXPECT_THAT(names(), ElementsAre("step-00000004", "step-00000012"));
  EXPECT_EQ(ckpt({"tag", "runs/small", "paper-v1", "--remove"}).code, 0);
  expect_refused(ckpt({"tag", "runs/small", "paper-v1", "--remove"}), 66, {"no tag"});
  EXPECT_EQ(ckpt({"prune", "runs/small", "--keep-last", "1", "--yes"}).code, 0);
  EXPECT_THAT(names(), ElementsAre("step-00000012"));
}

TEST_F(CkptVerbs, PruneTakesTheRulesOfTheRun) {
  EXPECT_EQ(ckpt_json({"prune", "runs/small"})["removed"].size(), 0u) << "keep_last is 3";
  expect_refused(ckpt({"prune", "runs/small", "--mode", "max"}), 64, {"no effect"});
}

TEST_F(CkptVerbs, PruneAndRepairLeaveARunAloneThatIsGoingOn) {
  const RunLock running(dir_ / "runs/small", "");
  expect_refused(ckpt({"prune", "runs/small", "--keep-last", "1", "--yes"}), 77, {"in use by", "pid"});
  expect_refused(ckpt({"repair", "runs/small", "--yes"}), 77, {"in use by"});
  EXPECT_EQ(names().size(), 3u);
  EXPECT_EQ(ckpt({"prune", "runs/small", "--keep-last", "1"}).code, 0) << "looking is allowed";
}

TEST_F(CkptVerbs, PruneKeepsTheOthersWhenTheNewestIsBad) {
  spoil("step-00000012/checkpoint.h5");
  expect_refused(ckpt({"prune", "runs/small", "--keep-last", "1", "--yes"}), 65, {"step-00000012"});
  EXPECT_EQ(names().size(), 3u);
}

TEST_F(CkptVerbs, LsSaysWhatWasVerifiedWhileItIsTheSame) {
  const json before = ckpt_json({"ls", "runs/small"});
  EXPECT_TRUE(before[0]["verified"].is_null());
  EXPECT_EQ(before[2]["verified"], true) << "the weights file was made of it";
  EXPECT_EQ(ckpt({"verify", "runs/small"}).code, 0);
  const json row = ckpt_json({"ls", "runs/small"})[2];
  EXPECT_EQ(ckpt_json({"ls", "runs/small"})[0]["verified"], true);
  EXPECT_EQ(row["layout"], "consolidated");
  EXPECT_EQ(row["world"], 1);
  EXPECT_EQ(row["metric"]["name"], "valid_loss");
  EXPECT_THAT(ckpt({"show", "runs/small"}).out, HasSubstr("verified    yes"));
  spoil("step-00000012/checkpoint.h5");
  EXPECT_EQ(ckpt({"verify", "runs/small"}).code, 65);
  EXPECT_EQ(ckpt_json({"ls", "runs/small"})[2]["verified"], false);
}

TEST_F(CkptVerbs, RepairMendsWhatItNamedBefore) {
  spoil("step-00000012/checkpoint.h5");
  fs::create_directory(file(".staging-step-00000016"));
  const ProcessResult look = ckpt({"repair", "runs/small"});
  EXPECT_EQ(look.code, 0) << look.err;
  EXPECT_THAT(look.out, HasSubstr("would be set aside as step-00000012.bad"));
  EXPECT_THAT(look.out, HasSubstr("without --yes"));
  EXPECT_EQ(names().size(), 3u);
  const json mended = ckpt_json({"repair", "runs/small", "--yes"});
  EXPECT_EQ(mended["findings"].size(), 3u) << mended;
  EXPECT_EQ(mended["valid"], true);
  EXPECT_THAT(names(), ElementsAre("step-00000004", "step-00000008", "step-00000012.bad"));
  EXPECT_FALSE(fs::exists(file(".staging-step-00000016")));
  EXPECT_THAT(ckpt({"repair", "runs/small"}).out, HasSubstr("nothing to repair"));
  // The byte comes back, and so does the checkpoint.
  spoil("step-00000012.bad/checkpoint.h5");
  EXPECT_EQ(ckpt({"repair", "runs/small", "--yes"}).code, 0);
  EXPECT_THAT(names(), ElementsAre("step-00000004", "step-00000008", "step-00000012"));
}

TEST_F(CkptVerbs, RepairMakesALostIndexAnew) {
  train({"run.dir=runs/sharded", "checkpoint.layout=sharded"});
  const std::string newest = dir_ / "runs/sharded/ckpt/step-00000012";
  const std::string good = read_file(newest + "/index.h5");
  for (const bool removed : {true, false}) {
    SCOPED_TRACE(removed);
    if (removed)
      fs::remove(newest + "/index.h5");
    else
      write_file(newest + "/index.h5", std::string(good.size(), 'x'));
    const ProcessResult verified = ckpt({"verify", "runs/sharded"});
    EXPECT_EQ(verified.code, 65) << verified.err;
    EXPECT_THAT(verified.out, HasSubstr("index.h5"));
    EXPECT_THAT(ckpt({"repair", "runs/sharded"}).out, HasSubstr("step-00000012/index.h5: "));
    EXPECT_EQ(ckpt({"verify", "runs/sharded"}).code, 65) << "looking mends nothing";
    const json mended = ckpt_json({"repair", "runs/sharded", "--yes"});
    ASSERT_EQ(mended["findings"].size(), 1u) << mended;
    EXPECT_EQ(mended["findings"][0]["mended"], true);
    EXPECT_EQ(read_file(newest + "/index.h5"), good);
    EXPECT_EQ(ckpt({"verify", "runs/sharded"}).code, 0);
  }
}

TEST_F(CkptVerbs, ShowsTensorsAsATree) {
  const ProcessResult result = ckpt({"show", "runs/small"});
  EXPECT_THAT(result.out, HasSubstr("\nmodel "));
  EXPECT_THAT(result.out, HasSubstr("\noptimizer/exp_avg "));
  EXPECT_THAT(result.out, HasSubstr("\n  layers "));
  EXPECT_THAT(result.out, HasSubstr("[8, 16]"));
  EXPECT_THAT(result.out, Not(HasSubstr("model/layers.0.weight")));
}

}  // namespace
}  // namespace lockstep::testing
