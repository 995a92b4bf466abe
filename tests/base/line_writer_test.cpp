// SPDX-License-Identifier: Apache-2.0
#include "base/line_writer.h"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <vector>

namespace lockstep {
namespace {

using std::chrono::milliseconds;

// What a writer's thread was given, behind a gate.
struct Given {
  std::promise<void> open;
  std::shared_future<void> gate = open.get_future().share();
  std::vector<std::string> lines;

  LineWriter::Write write() {
    return [this](const std::string& file, const std::string& line) {
      gate.wait();
      if (line == "bad") throw std::runtime_error("no");
      lines.push_back(file + ":" + line);
    };
  }
};

TEST(LineWriter, WritesInOrderAndAllBeforeItEnds) {
  Given given;
  {
    LineWriter writer(given.write());
    writer.append("a", "1");
    writer.append("b", "2");
    EXPECT_TRUE(writer.try_append("a", "3"));
    EXPECT_FALSE(writer.flush_for(milliseconds(10)));
    given.open.set_value();
  }
  EXPECT_EQ(given.lines, (std::vector<std::string>{"a:1", "b:2", "a:3"}));
}

TEST(LineWriter, AFullQueueRefusesWhoWillNotWaitAndHoldsWhoWill) {
  Given given;
  LineWriter writer(given.write(), /*capacity_bytes=*/4);
  writer.append("a", "1234");
  EXPECT_FALSE(writer.try_append("a", "5"));
  auto waiting = std::async(std::launch::async, [&] { writer.append("a", "6"); });
  EXPECT_EQ(waiting.wait_for(milliseconds(50)), std::future_status::timeout);
  given.open.set_value();
  waiting.get();
  writer.flush();
  EXPECT_EQ(given.lines, (std::vector<std::string>{"a:1234", "a:6"}));
}

TEST(LineWriter, AFailureEndsItForAllThatFollows) {
  Given given;
  given.open.set_value();
  LineWriter writer(given.write());
  writer.append("a", "1");
  writer.append("a", "bad");
  EXPECT_THROW(writer.flush(), std::runtime_error);
  EXPECT_THROW(writer.append("a", "2"), std::runtime_error);
  EXPECT_FALSE(writer.try_append("a", "3"));
  EXPECT_FALSE(writer.flush_for(milliseconds(10)));
  EXPECT_EQ(given.lines, std::vector<std::string>{"a:1"});
}

TEST(LineWriter, AFailureFreesWhoWaitsForRoom) {
  Given given;
  LineWriter writer(given.write(), /*capacity_bytes=*/2);
  writer.append("a", "bad");
  auto waiting = std::async(std::launch::async, [&] { writer.append("a", "1"); });
  given.open.set_value();
  EXPECT_THROW(waiting.get(), std::runtime_error);
}

}  // namespace
}  // namespace lockstep
