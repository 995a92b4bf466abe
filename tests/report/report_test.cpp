// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "lockstep/base/error.h"
#include "report/chart.h"
#include "report/page.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using testing::TempDir;
using testing::write_file;

std::string line(int step, int attempt, const std::string& loss) {
  return fmt::format(R"({{"step":{},"attempt":{},"loss":{},"time":"2026-11-29T00:{:02}:00.000Z"}})", step,
                     attempt, loss, step % 60) +
         "\n";
}

std::string event(const std::string& name, int attempt, const std::string& more) {
  return fmt::format(R"({{"time":"2026-11-29T00:30:00.000Z","attempt":{},"event":"{}"{}}})", attempt, name,
                     more) +
         "\n";
}

RunStory story_of(const TempDir& folder, const std::string& metrics, const std::string& events,
                  const std::string& name = "a") {
  write_file(folder / "run.json", R"({"name":")" + name + R"("})");
  write_file(folder / "metrics.jsonl", metrics);
  write_file(folder / "events.jsonl", events);
  return read_run_story(real_disk(), folder.path());
}

// Every element is closed by its own end, so that a reader of XML could read the page.
void expect_well_formed(const std::string& page) {
  std::vector<std::string> open;
  for (std::size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const std::size_t end = page.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = page.substr(at + 1, end - at - 1);
    if (tag[0] == '!' || tag.back() == '/') continue;
    if (tag[0] != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
      continue;
    }
    ASSERT_FALSE(open.empty()) << tag;
    ASSERT_EQ(open.back(), tag.substr(1)) << "at byte " << at;
    open.pop_back();
  }
  EXPECT_TRUE(open.empty());
}

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(RunStory, StepsDoneAnewLeaveTheCurveAndAreKeptApart) {
  const TempDir folder;
  const RunStory story = story_of(
      folder,
      line(10, 1, "3") + line(20, 1, "2") + line(30, 1, "1") + line(20, 2, "2.5") + line(30, 2, "1.5"), "");
  const Series& loss = story.series.at("loss");
  ASSERT_EQ(loss.size(), 3u);
  EXPECT_EQ(loss[1].value, 2.5);
  EXPECT_EQ(loss[2].value, 1.5);
  const Series& lost = story.lost.at("loss");
  ASSERT_EQ(lost.size(), 3u);  // a gap, then the two
  EXPECT_TRUE(std::isnan(lost[0].value));
  EXPECT_EQ(lost[2].value, 1);
}

TEST(RunStory, TornAndForeignLinesAreSkippedAndCounted) {
  const TempDir folder;
  const RunStory story = story_of(
      folder, line(1, 1, "3") + "{\"step\":2,\"lo\n" + "[1]\n\n" + line(3, 1, "null") + "{\"step\":4",
      "\xff\xfe\n" + event("done", 1, ""));
  EXPECT_EQ(story.series.at("loss").size(), 2u);
  EXPECT_TRUE(std::isnan(story.series.at("loss")[1].value));
  EXPECT_EQ(story.unreadable_lines, 3);
  EXPECT_EQ(story.events.size(), 1u);
}

TEST(RunStory, AnEventWithoutAStepHappenedAtTheLastOneBeforeIt) {
  const TempDir folder;
  const RunStory story = story_of(folder, line(10, 1, "3") + line(29, 1, "2") + line(31, 1, "1"),
                                  event("something_new", 1, "") + event("resumed", 2, R"(,"step":7)"));
  ASSERT_EQ(story.events.size(), 2u);
  EXPECT_EQ(story.events[0].step, 29);
  EXPECT_EQ(story.events[1].step, 7);
}

TEST(RunStory, AFolderThatIsNoRunIsRefusedWith66) {
  const TempDir folder;
  try {
    read_run_story(real_disk(), folder.path());
    FAIL();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kInputMissing);
  }
}

TEST(Thinned, AMillionPointsKeepASpikeAndAGap) {
  Series series;
  for (int i = 0; i < 1000000; ++i) series.push_back({i, 1.0});
  series[123456].value = 99;
  series[654321].value = -99;
  series[777777].value = std::nan("");
  const Series thin = thinned(series, 360);
  EXPECT_LE(thin.size(), 360u * 5);
  int high = 0, low = 0, gaps = 0;
  for (std::size_t i = 0; i < thin.size(); ++i) {
    high += thin[i].value == 99 ? 1 : 0;
    low += thin[i].value == -99 ? 1 : 0;
    gaps += std::isnan(thin[i].value) ? 1 : 0;
    if (i > 0) {
      EXPECT_LT(thin[i - 1].step, thin[i].step);
    }
  }
  EXPECT_EQ(high, 1);
  EXPECT_EQ(low, 1);
  EXPECT_EQ(gaps, 1);
}

TEST(ReportPage, NeedsNoNetworkAndNoScript) {
  const TempDir folder;
  const std::string page = report_page({story_of(folder, line(1, 1, "3") + line(2, 1, "2"), "")});
  expect_well_formed(page);
  EXPECT_EQ(count_of(page, "<script"), 0u);
  EXPECT_EQ(count_of(page, "http"), 0u);
  EXPECT_EQ(count_of(page, "url("), 0u);
  EXPECT_EQ(count_of(page, "aria-label=\"loss over steps\""), 1u);
}

TEST(ReportPage, NamesOfRunsEventsAndMetricsAreNeverMarkup) {
  const TempDir folder;
  const std::string bad = "</title><script>alert('1')</script>";
  const std::string metric = R"({"step":1,"loss":1,")" + bad +
                             R"(":2,"time":"2026-11-29T00:01:00.000Z"})"
                             "\n";
  const std::string page =
      report_page({story_of(folder, metric, event(bad, 1, R"(,"reason":")" + bad + R"(")"), bad)});
  expect_well_formed(page);
  EXPECT_EQ(count_of(page, "<script"), 0u);
  EXPECT_GE(count_of(page, "&lt;script&gt;"), 4u);
}

TEST(ReportPage, MarksWhatHappenedInEveryChartAndAlsoWhatItDoesNotKnow) {
  const TempDir folder;
  const std::string events =
      event("resumed", 2, R"(,"step":10)") + event("checkpoint_refused", 2, R"(,"reason":"digest")") +
      event("attempt_end", 1, R"(,"code":76,"cause":"rank 1 hung","steps_lost":12)") +
      event("straggler", 2, "") + event("step_skipped", 2, "") + event("never_heard_of", 2, "");
  const std::string page = report_page({story_of(folder, line(10, 1, "3") + line(20, 1, "2"), events)});
  for (const std::string kind : {"attempt", "refused", "stop", "straggler", "skipped", "other"})
    EXPECT_EQ(count_of(page, "class=\"mark " + kind + "\""), 2u)
        << kind;  // once in the chart, once in the key
  EXPECT_EQ(count_of(page, "<td>rank 1 hung</td><td>12</td>"), 1u);
}

TEST(ReportPage, SeveralRunsAreOverlaidInOneChart) {
  const TempDir one, two;
  const std::string metrics = line(1, 1, "3") + line(2, 1, "1e6");
  const std::string page =
      report_page({story_of(one, metrics, "", "one"), story_of(two, metrics, "", "two")});
  EXPECT_EQ(count_of(page, "<figure data-chart=\"loss\">"), 1u);
  EXPECT_EQ(count_of(page, "<path class=\"curve c0\""), 1u);
  EXPECT_EQ(count_of(page, "<path class=\"curve c1\""), 1u);
}

}  // namespace
}  // namespace lockstep
