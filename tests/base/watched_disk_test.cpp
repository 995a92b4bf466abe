// SPDX-License-Identifier: Apache-2.0
#include "base/watched_disk.h"

#include <gtest/gtest.h>

#include <future>

#include "support/forwarding_disk.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using std::chrono::milliseconds;

// Answers an append when it may.
class Hanging : public ForwardingDisk {
 public:
  Hanging() : ForwardingDisk(real_disk()) {}
  void append(const std::string& path, std::string_view text) override {
    free.get_future().wait();
    inner_.append(path, text);
  }
  std::promise<void> free;
};

TEST(WatchedDisk, NamesWhatHangsAgainAfterTwiceTheTimeAndOnceItHasAnswered) {
  const testing::TempDir folder;
  Hanging hanging;
  WatchedDisk disk(hanging, milliseconds(40));
  std::vector<SlowOperation> told;
  std::promise<void> twice, answered;
  disk.tell([&](const SlowOperation& operation) {
    told.push_back(operation);
    if (told.size() == 2) twice.set_value();
    if (operation.answered) answered.set_value();
  });
  auto appending = std::async(std::launch::async, [&] { disk.append(folder / "file", "x"); });
  twice.get_future().wait();
  EXPECT_EQ(disk.longest()->path, folder / "file");
  hanging.free.set_value();
  appending.get();
  answered.get_future().wait();
  disk.tell({});
  ASSERT_GE(told.size(), 3u);
  for (const SlowOperation& operation : told) {
    EXPECT_EQ(operation.name, "append");
    EXPECT_EQ(operation.path, folder / "file");
    EXPECT_GE(operation.seconds, 0.04);
  }
  EXPECT_GE(told[1].seconds, 2 * 0.04);
  EXPECT_FALSE(told[1].answered);
  EXPECT_TRUE(told.back().answered);
  EXPECT_FALSE(disk.longest().has_value());
}

TEST(WatchedDisk, ChangesNothingOfWhatFilesHoldAndSaysNothingOfAQuickDisk) {
  const testing::TempDir folder;
  WatchedDisk disk(real_disk());
  int told = 0;
  disk.tell([&](const SlowOperation&) { ++told; });
  replace_text(disk, folder / "file", "text");
  disk.append(folder / "file", " more");
  EXPECT_EQ(read_text(disk, folder / "file"), "text more");
  disk.tell({});
  EXPECT_EQ(told, 0);
}

}  // namespace
}  // namespace lockstep
