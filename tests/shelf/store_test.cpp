// SPDX-License-Identifier: Apache-2.0
#include "shelf/store.h"

#include "exchange/weights.h"
#include "shelf/fixture.h"
#include "shelf/newest_whole.h"
#include "shelf/pointer.h"
#include "shelf/verified_ledger.h"

namespace lockstep {
namespace {

class Store : public ::testing::Test {
 protected:
  CheckpointStore make(const CheckpointOptions& options = {}) {
    return {dir_, options, real_disk(), log_.sink()};
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& name : real_disk().list(dir_))
      if (name != "latest" && name != "best" && name != kLedgerFile) out.push_back(name);
    return out;
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  EventLog log_;
};

TEST_F(Store, GivesBackEveryTensorAndTheRecord) {
  auto store = make();
  store.prepare(1000);
  OwnedState owned(7);
  owned.state.record.metrics = {{"valid_loss", 0.1}, {"odd", std::nan("")}};
  owned.state.record.best = {{"value", 0.1}, {"step", 7}};
  const SaveReport report = store.save(owned.state, false);
  EXPECT_TRUE(report.written);
  EXPECT_EQ(report.directory, "step-00000007");
  const auto reader = newest_whole(store);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->state_hash(), report.state_hash);
  expect_reads_back(*reader, owned);
  const TrainRecord& record = reader->record();
  EXPECT_EQ(record.step, Step{7});
  EXPECT_EQ(record.epoch, Epoch{2});
  EXPECT_EQ(record.steps_per_epoch, 10);
  EXPECT_EQ(record.loss, owned.state.record.loss);
  EXPECT_EQ(record.lr, 1e-3);
  EXPECT_EQ(record.seed, 0xFFFFFFFFFFFFFFF0ull);
  EXPECT_EQ(record.micro_batches, 12);
  EXPECT_EQ(record.world, WorldSize{4});
  EXPECT_EQ(record.attempt, Attempt{3});
  EXPECT_EQ(record.config, owned.state.record.config);
  EXPECT_EQ(record.environment, owned.state.record.environment);
  EXPECT_EQ(record.metadata, owned.state.record.metadata);
  EXPECT_EQ(record.metrics.at("valid_loss"), 0.1);
  EXPECT_TRUE(std::isnan(record.metrics.at("odd")));
  EXPECT_EQ(record.best, owned.state.record.best);
}

TEST_F(Store, SaysThereHasNeverBeenACheckpoint) {
  auto store = make();
  EXPECT_EQ(newest_whole(store), nullptr);
  store.prepare(0);
  EXPECT_EQ(newest_whole(store), nullptr);
}

TEST_F(Store, RefusesADifferentModelWithTheTwoValues) {
  auto store = make();
  OwnedState small(1);
  store.save(small.state, false);
  OwnedState wide(1, 1, 41);
  auto blank = wide.blank();
  std::string message;
  EXPECT_EQ(code_of([&] { newest_whole(store)->read(blank, true); }, &message), ExitCode::kConfig);
  EXPECT_NE(message.find("[40, 784]"), std::string::npos) << message;
  EXPECT_NE(message.find("[41, 784]"), std::string::npos) << message;
  blank = small.blank();
  blank.pop_back();
  EXPECT_EQ(code_of([&] { newest_whole(store)->read(blank, true); }, &message), ExitCode::kConfig);
  EXPECT_NE(message.find("optimizer/exp_avg_sq/layers.0.weight"), std::string::npos) << message;
  EXPECT_EQ(code_of([&] { newest_whole(store)->read(blank, false); }), ExitCode::kDone);
  blank[0].dtype = DType::kInt32;
  EXPECT_EQ(code_of([&] { newest_whole(store)->read(blank, false); }, &message), ExitCode::kConfig);
  EXPECT_NE(message.find("float32"), std::string::npos) << message;
}

TEST_F(Store, NeverOverwritesAStep) {
  auto store = make();
  OwnedState owned(5);
  store.save(owned.state, false);
  const std::string before = slurp(dir_ + "/step-00000005/manifest.json");
  const SaveReport again = make().save(owned.state, true);
  EXPECT_FALSE(again.written);
  EXPECT_EQ(slurp(dir_ + "/step-00000005/manifest.json"), before);
  EXPECT_EQ(read_pointer(real_disk(), dir_ + "/best")->directory, "step-00000005");
  OwnedState other(5, 2);
  std::string message;
  EXPECT_EQ(code_of([&] { make().save(other.state, false); }, &message), ExitCode::kRunDirectory);
  EXPECT_NE(message.find("never overwrites"), std::string::npos) << message;
  EXPECT_EQ(slurp(dir_ + "/step-00000005/manifest.json"), before);
}

TEST_F(Store, WritesAnewWhereADamagedCheckpointOfTheStepStands) {
  OwnedState owned(5);
  make().save(owned.state, false);
  std::string bytes = slurp(dir_ + "/step-00000005/checkpoint.h5");
  bytes[bytes.size() / 2] ^= 1;
  spill(dir_ + "/step-00000005/checkpoint.h5", bytes);
  EXPECT_TRUE(make().save(owned.state, false).written);
  EXPECT_EQ(names(), (std::vector<std::string>{"step-00000005", "step-00000005.bad"}));
}

TEST_F(Store, OrdersByStepWhateverTheClockAndThePointerSay) {
  auto store = make();
  for (const std::int64_t step : {100000000, 99999999, 20}) store.save(OwnedState(step).state, false);
  EXPECT_EQ(read_pointer(real_disk(), dir_ + "/latest")->directory, "step-00000020");
  EXPECT_EQ(newest_whole(store)->record().step, Step{100000000});
}

TEST_F(Store, TakesTheNewestWhenThePointerIsMissingWrongOrStale) {
  auto store = make();
  for (const std::int64_t step : {1, 2, 3}) store.save(OwnedState(step).state, false);
  const std::string good = slurp(dir_ + "/latest");
  const std::vector<std::string> pointers = {"",
                                             "step-00000009 " + good.substr(14),
                                             "step-00000001 " + good.substr(14),
                                             "../../etc 00",
                                             std::string(100000, 'x'),
                                             good.substr(0, 20)};
  for (const std::string& text : pointers) {
    spill(dir_ + "/latest", text);
    EXPECT_EQ(newest_whole(store)->record().step, Step{3});
  }
  EXPECT_EQ(log_.count("pointer_ignored"), 6u);
  const Digest first = parse_manifest(slurp(dir_ + "/step-00000001/manifest.json"), "m").digest;
  spill(dir_ + "/latest", "step-00000001 " + first.hex() + "\n");
  EXPECT_EQ(newest_whole(store)->record().step, Step{3});
  EXPECT_EQ(log_.count("pointer_ignored"), 6u) << "a stale pointer is no damage";
  fs::remove(dir_ + "/latest");
  EXPECT_EQ(newest_whole(store)->record().step, Step{3});
}

TEST_F(Store, FallsBackThroughBadOnesAndNamesThem) {
  auto store = make();
  for (const std::int64_t step : {1, 2, 3}) store.save(OwnedState(step).state, false);
  std::string bytes = slurp(dir_ + "/step-00000003/checkpoint.h5");
  bytes[bytes.size() - 1000] ^= 4;
  spill(dir_ + "/step-00000003/checkpoint.h5", bytes);
  fs::remove(dir_ + "/step-00000002/checkpoint.h5");
  EXPECT_EQ(newest_whole(make())->record().step, Step{1});
  EXPECT_EQ(names(), (std::vector<std::string>{"step-00000001", "step-00000002.bad", "step-00000003.bad"}));
  ASSERT_EQ(log_.count("checkpoint_refused"), 2u);
  EXPECT_EQ(log_.events[0].second.at("directory"), "step-00000003");
  EXPECT_EQ(log_.events[0].second.at("file"), "checkpoint.h5");
  EXPECT_EQ(log_.events[0].second.at("tensor"), "optimizer/exp_avg_sq/layers.0.weight");
  EXPECT_EQ(log_.events[0].second.at("moved_to"), "step-00000003.bad");
  EXPECT_EQ(log_.events[1].second.at("reason"), "the file is missing");
}

TEST_F(Store, NeverStartsFreshWhenAllAreBad) {
  auto store = make();
  for (const std::int64_t step : {1, 2}) {
    store.save(OwnedState(step).state, false);
    spill(dir_ + "/" + "step-0000000" + std::to_string(step) + "/manifest.json", "");
  }
  std::string message;
  EXPECT_EQ(code_of([&] { newest_whole(make()); }, &message), ExitCode::kNoValidCheckpoint);
  EXPECT_NE(message.find("step-00000001"), std::string::npos) << message;
  EXPECT_NE(message.find("step-00000002"), std::string::npos) << message;
  // Nor at the next start, when they all stand aside.
  EXPECT_EQ(code_of([&] { newest_whole(make()); }, &message), ExitCode::kNoValidCheckpoint);
  EXPECT_NE(message.find("step-00000002.bad"), std::string::npos) << message;
}

TEST_F(Store, NumbersTheBadOnes) {
  for (int i = 0; i < 3; ++i) {
    make().save(OwnedState(1).state, false);
    spill(dir_ + "/step-00000001/manifest.json", "x");
    EXPECT_EQ(code_of([&] { newest_whole(make()); }), ExitCode::kNoValidCheckpoint);
  }
  EXPECT_EQ(names(),
            (std::vector<std::string>{"step-00000001.bad", "step-00000001.bad-2", "step-00000001.bad-3"}));
}

TEST_F(Store, GoingBackLeavesTheNewerOnes) {
  CheckpointOptions options;
  options.keep_best = {"valid_loss", BestMode::kMin, 1};
  auto store = make(options);
  for (const std::int64_t step : {1, 2, 3}) {
    OwnedState owned(step);
    owned.state.record.metrics = {{"valid_loss", 10.0 - static_cast<double>(step)}};
    store.save(owned.state, true);
  }
  store.leave_newer_than(Step{1}, Attempt{2});
  EXPECT_EQ(names(),
            (std::vector<std::string>{"step-00000001", "step-00000002.left-2", "step-00000003.left-2"}));
  EXPECT_EQ(log_.count("checkpoint_left"), 2u);
  EXPECT_EQ(read_pointer(real_disk(), dir_ + "/latest")->directory, "step-00000001");
  EXPECT_EQ(read_pointer(real_disk(), dir_ + "/best")->directory, "step-00000001");
  EXPECT_EQ(newest_whole(make())->record().step, Step{1});
  EXPECT_TRUE(store.save(OwnedState(2, 9).state, false).written);
}

TEST_F(Store, KeepsWhatTheRulesKeepAndPrunesTheRest) {
  CheckpointOptions options;
  options.keep_last = 2;
  options.keep_every = 4;
  options.keep_best = {"valid_loss", BestMode::kMin, 1};
  auto store = make(options);
  const std::map<std::int64_t, double> losses = {{1, 5}, {2, 3}, {3, 1}, {4, 2}, {5, 1}, {6, std::nan("")},
                                                 {7, 4}};
  for (const auto& [step, loss] : losses) {
    OwnedState owned(step);
    owned.state.record.metrics = {{"valid_loss", loss}};
    store.save(owned.state, false);
  }
  EXPECT_EQ(names(),
            (std::vector<std::string>{"step-00000003", "step-00000004", "step-00000006", "step-00000007"}));
  EXPECT_EQ(log_.count("checkpoint_pruned"), 3u);
}

TEST_F(Store, NeverTouchesWhatIsNotItsOwn) {
  CheckpointOptions options;
  options.keep_last = 1;
  auto store = make(options);
  store.prepare(0);
  for (const char* name : {"step-1", "step-00000001.keep", "mine", ".hidden", "step-+0000001"})
    fs::create_directory(dir_ + "/" + name);
  spill(dir_ + "/step-00000002", "a file");
  fs::create_directory(scratch_ / "outside");
  spill(scratch_ / "outside/file", "precious");
  fs::create_directory_symlink(scratch_ / "outside", dir_ + "/step-00000003");
  fs::create_directory_symlink(scratch_ / "outside", dir_ + "/.trash-step-00000003");
  for (const std::int64_t step : {5, 6}) store.save(OwnedState(step).state, false);
  make(options).prepare(0);
  EXPECT_EQ(names().size(), 9u);
  EXPECT_EQ(slurp(scratch_ / "outside/file"), "precious");
  EXPECT_EQ(newest_whole(make(options))->record().step, Step{6});
}

TEST_F(Store, RefusesPlantedLinks) {
  make().save(OwnedState(1).state, false);
  make().save(OwnedState(2).state, false);
  fs::rename(dir_ + "/step-00000002/checkpoint.h5", scratch_ / "elsewhere.h5");
  fs::create_symlink(scratch_ / "elsewhere.h5", dir_ + "/step-00000002/checkpoint.h5");
  EXPECT_EQ(newest_whole(make())->record().step, Step{1});
  EXPECT_EQ(log_.count("checkpoint_refused"), 1u);
  const std::string link = scratch_ / "link";
  fs::create_directory_symlink(scratch_ / "elsewhere", link);
  CheckpointStore planted(link, {}, real_disk(), log_.sink());
  EXPECT_EQ(code_of([&] { planted.prepare(0); }), ExitCode::kRunDirectory);
}

TEST_F(Store, PreparesByRemovingLeftovers) {
  make().save(OwnedState(1).state, false);
  fs::create_directories(dir_ + "/.staging-step-00000002/x");
  fs::create_directories(dir_ + "/.trash-step-00000003/x");
  make().prepare(0);
  EXPECT_EQ(names(), (std::vector<std::string>{"step-00000001"}));
}

TEST_F(Store, RefusesToStartWithoutRoomForOneCheckpoint) {
  std::string message;
  EXPECT_EQ(code_of([&] { make().prepare(std::uint64_t{1} << 60); }, &message), ExitCode::kRunDirectory);
  EXPECT_NE(message.find(std::to_string(std::uint64_t{1} << 60)), std::string::npos) << message;
}

TEST_F(Store, RemakesAFolderThatWasDeletedWhileRunning) {
  auto store = make();
  store.save(OwnedState(1).state, false);
  fs::remove_all(dir_);
  store.save(OwnedState(2).state, false);
  EXPECT_EQ(newest_whole(store)->record().step, Step{2});
}

TEST_F(Store, WritesEqualFilesForEqualStates) {
  make().save(OwnedState(1).state, false);
  const std::string first = slurp(dir_ + "/step-00000001/checkpoint.h5");
  fs::remove_all(dir_);
  make().save(OwnedState(1).state, false);
  EXPECT_EQ(slurp(dir_ + "/step-00000001/checkpoint.h5"), first);
}

}  // namespace
}  // namespace lockstep
