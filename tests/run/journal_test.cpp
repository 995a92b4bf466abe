// SPDX-License-Identifier: Apache-2.0
#include "run/journal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <future>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lockstep/base/error.h"
#include "support/faulty_disk.h"
#include "support/forwarding_disk.h"
#include "support/manual_clock.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using nlohmann::json;
using testing::read_file;
using testing::TempDir;
using testing::write_file;

std::vector<json> lines_of(const std::string& path) {
  std::vector<json> lines;
  std::istringstream text(read_file(path));
  for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line, nullptr, false));
  return lines;
}

StepRecord record_of(std::int64_t step, double loss) {
  StepRecord record;
  record.step = Step(step);
  record.loss = loss;
  return record;
}

TEST(Journal, LineHoldsTheStepAndWhatWasMeasured) {
  const TempDir folder;
  const ManualClock clock;
  Journal journal(real_disk(), clock, folder.path(), Attempt(3));
  StepRecord record = record_of(12, 0.5);
  record.epoch = Epoch(2);
  record.lr = 1e-3;
  record.metrics = {{"valid_loss", 0.75}};
  journal.record(record);
  journal.flush();
  const auto lines = lines_of(folder / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["step"], 12);
  EXPECT_EQ(lines[0]["epoch"], 2);
  EXPECT_EQ(lines[0]["attempt"], 3);
  EXPECT_EQ(lines[0]["valid_loss"], 0.75);
  EXPECT_EQ(lines[0]["time"], "1970-01-01T00:00:00.000Z");
}

TEST(Journal, FloatsReadBackEqual) {
  const TempDir folder;
  const ManualClock clock;
  Journal journal(real_disk(), clock, folder.path(), Attempt(1));
  const std::vector<double> values = {
      0.1, 1.0 / 3, std::nextafter(1.0, 2.0), 5e-324, 1.7976931348623157e308, static_cast<double>(0.1f)};
  for (const double value : values) journal.record(record_of(1, value));
  journal.flush();
  const auto lines = lines_of(folder / "metrics.jsonl");
  ASSERT_EQ(lines.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(lines[i]["loss"].get<double>(), values[i]);
}

TEST(Journal, WhatJsonDoesNotHaveIsNull) {
  EXPECT_EQ(json_number(std::nan("")), "null");
  EXPECT_EQ(json_number(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(json_number(0.25), "0.25");
  const TempDir folder;
  const ManualClock clock;
  Journal(real_disk(), clock, folder.path(), Attempt(1)).record(record_of(1, std::nan("")));
  EXPECT_TRUE(lines_of(folder / "metrics.jsonl").at(0)["loss"].is_null());
}

TEST(Journal, RestartEndsATornLastLineAndKeepsTheOthers) {
  const TempDir folder;
  const ManualClock clock;
  write_file(folder / "metrics.jsonl", "{\"step\":1}\n{\"step\":2,\"lo");
  write_file(folder / "events.jsonl", "{\"event\":\"sav");
  Journal journal(real_disk(), clock, folder.path(), Attempt(2));
  journal.record(record_of(2, 1));
  journal.event("resumed", {});
  journal.flush();
  const auto lines = lines_of(folder / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0]["step"], 1);
  EXPECT_TRUE(lines[1].is_discarded());
  EXPECT_EQ(lines[2]["step"], 2);
  ASSERT_EQ(lines_of(folder / "events.jsonl").size(), 2u);
  EXPECT_EQ(lines_of(folder / "events.jsonl")[1]["event"], "resumed");
}

TEST(Journal, RestartLeavesWholeLinesAlone) {
  const TempDir folder;
  const ManualClock clock;
  write_file(folder / "metrics.jsonl", "{\"step\":1}\n");
  Journal(real_disk(), clock, folder.path(), Attempt(2));
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), "{\"step\":1}\n");
  EXPECT_FALSE(real_disk().info(folder / "events.jsonl"));
}

TEST(Journal, NumbersInEventsStayNumbersAndNothingForgesALine) {
  const TempDir folder;
  const ManualClock clock;
  Journal journal(real_disk(), clock, folder.path(), Attempt(1));
  journal.event("saved", {{"step", "40"}, {"file", "a\"b\n{}"}, {"bytes", "\xff"}});
  journal.flush();
  const auto lines = lines_of(folder / "events.jsonl");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["step"], 40);
  EXPECT_EQ(lines[0]["file"], "a\"b\n{}");
}

// A disk that does not answer until it may.
class FrozenDisk : public ForwardingDisk {
 public:
  FrozenDisk() : ForwardingDisk(real_disk()) {}
  void append(const std::string& path, std::string_view text) override {
    asked.set_value();
    thawed.get_future().wait();
    inner_.append(path, text);
  }
  std::promise<void> asked;
  std::promise<void> thawed;
};

TEST(Journal, DoesNotWaitForADiskThatDoesNotAnswer) {
  const TempDir folder;
  const ManualClock clock;
  FrozenDisk disk;
  {
    Journal journal(disk, clock, folder.path(), Attempt(1));
    journal.record(record_of(1, 1));
    disk.asked.get_future().wait();
    journal.flush_for(std::chrono::milliseconds(10));
    EXPECT_FALSE(real_disk().info(folder / "metrics.jsonl"));
    disk.thawed.set_value();
  }
  EXPECT_EQ(lines_of(folder / "metrics.jsonl").size(), 1u);
}

TEST(Journal, KeepsTheOrderOfItsLinesOverCopies) {
  const TempDir folder;
  const ManualClock clock;
  {
    Journal journal(real_disk(), clock, folder.path(), Attempt(1));
    Journal copy = journal;
    for (int step = 1; step <= 1000; step += 2) {
      journal.record(record_of(step, 1));
      copy.record(record_of(step + 1, 1));
    }
  }
  const auto lines = lines_of(folder / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(lines[i]["step"], i + 1);
}

TEST(Journal, WhatTheDiskFailedAtComesBackFromTheNextCallAndLeavesNoHole) {
  const TempDir folder;
  const ManualClock clock;
  FaultyDisk disk(real_disk());
  {
    Journal journal(disk, clock, folder.path(), Attempt(1));
    disk.arm({.fail_at = 2, .error = ENOSPC, .only = "append"});
    for (int step = 1; step <= 2; ++step) journal.record(record_of(step, 1));
    EXPECT_THROW(journal.flush(), Fault);
    EXPECT_THROW(journal.record(record_of(3, 1)), Fault);
    EXPECT_THROW(journal.event("stopped", {}), Fault);
    journal.flush_for(std::chrono::milliseconds(10));
    EXPECT_EQ(disk.injections(), 1);
  }
  EXPECT_EQ(lines_of(folder / "metrics.jsonl").size(), 1u);
}

}  // namespace
}  // namespace lockstep
