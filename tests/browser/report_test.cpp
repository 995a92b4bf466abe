// SPDX-License-Identifier: Apache-2.0
#include "browser/browser.h"
#include "job/job.h"

namespace lockstep::testing {
namespace {

// A run that met everything a report marks: a life that was killed, a checkpoint of it that was damaged
// since, a second life with a bad step, a kill and a slow rank, and a third that ends well.
class EventfulRun : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Browser::installed().empty())
      GTEST_SKIP() << "there is no Chromium here: launch/setup --browser installs it";
    const std::vector<std::string> overrides = {"train.steps=150", "checkpoint.every_steps=20", "on_nan=skip",
                                                "log.every_steps=1"};
    ASSERT_EQ(job_.train({.ranks = 2, .fault = kill(50), .overrides = overrides}).code, 137);
    const std::string newest = job_.checkpoints() + "/" + job_.checkpoint_names().back() + "/checkpoint.h5";
    std::string bytes = read_file(newest);
    bytes[bytes.size() / 2] ^= 1;
    write_file(newest, bytes);
    const ProcessResult result =
        job_.train({.ranks = 2,
                    .launcher = Launcher::kSupervisor,
                    .fault = kill(90) + ";nan@point=loss,rank=0,step=60,file=" + job_.path("nan") +
                             ";lag@rank=1,point=data",
                    .overrides = overrides});
    ASSERT_EQ(result.code, 0) << result.err;
    ASSERT_EQ(injections(job_.path("killed-50")) + injections(job_.path("killed-90")), 2);
    ASSERT_EQ(injections(job_.path("nan")), 1);
    for (const char* name : {"checkpoint_refused", "step_skipped", "straggler", "resumed", "attempt_end"})
      ASSERT_FALSE(job_.events(name).empty()) << name;
  }
  std::string kill(int step) const {
    return "kill@rank=1,step=" + std::to_string(step) +
           ",file=" + job_.path("killed-" + std::to_string(step));
  }
  // Writes the report of these run directories; returns its path.
  std::string report(std::vector<std::string> runs) const {
    runs.insert(runs.begin(), {LOCKSTEP_BINARY, "report"});
    runs.insert(runs.end(), {"-o", job_.path("report.html")});
    const ProcessResult result = testing::run(runs);
    EXPECT_EQ(result.code, 0) << result.err;
    return job_.path("report.html");
  }

  Job job_{mlp_config()};
};

// How much is drawn: a blank page of the same size packs into next to nothing.
void expect_drawn(Browser& browser) {
  const std::size_t full = browser.screenshot().size();
  browser.evaluate("document.body.style.visibility = 'hidden'");
  EXPECT_GT(full, 4 * browser.screenshot().size());
}

int count(Browser& browser, const std::string& selector) {
  return browser.evaluate("document.querySelectorAll('" + selector + "').length");
}

TEST_F(EventfulRun, IsShownWithEveryMarkAtTwoWidthsWithAndWithoutScripts) {
  const std::string page = report({job_.run()});
  Browser browser;
  for (const int width : {390, 1280}) {
    for (const bool scripts : {true, false}) {
      browser.open(page, {.width = width, .scripts = scripts, .dark = !scripts});
      EXPECT_EQ(browser.evaluate("innerWidth"), width);
      EXPECT_LE(browser.evaluate("document.documentElement.scrollWidth"), width)
          << "it is wider than the screen";
      EXPECT_GE(count(browser, "figure svg[role=img]"), 6);
      for (const char* kind : {"attempt", "stop", "refused", "straggler", "skipped"})
        EXPECT_GE(count(browser, std::string("figure[data-chart=loss] .mark.") + kind), 1)
            << kind << " " << width;
      EXPECT_EQ(count(browser, "figure .area"), 5) << "the phases of a step";
      EXPECT_GE(count(browser, "figure[data-chart=loss] .curve.lost"), 1);
      EXPECT_EQ(browser.evaluate(
                    "[...document.querySelectorAll('.mark title')].filter(t => !t.textContent).length"),
                0);
      // Nothing smaller than 8 pixels, and no label over its neighbour.
      EXPECT_EQ(browser.evaluate("[...document.querySelectorAll('.tick')].filter("
                                 "t => t.getBoundingClientRect().height < 8).length"),
                0);
      EXPECT_EQ(browser.evaluate(R"([...document.querySelectorAll('figure svg[role=img]')].filter(svg => {
        const boxes = [...svg.querySelectorAll('.tick')].map(t => t.getBoundingClientRect());
        const edge = svg.getBoundingClientRect();
        return boxes.some((a, i) => a.left < edge.left - 1 || a.right > edge.right + 1 ||
          boxes.some((b, j) => j > i && a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom));
      }).length)"),
                0)
          << width;
      expect_drawn(browser);
    }
  }
  EXPECT_TRUE(browser.complaints().empty()) << browser.complaints().front();
}

TEST_F(EventfulRun, LiesOverAnotherRunInTheSameCharts) {
  const Job calm(mlp_config());
  ASSERT_EQ(calm.train({.ranks = 1, .overrides = {"train.steps=150", "log.every_steps=1"}}).code, 0);
  const std::string page = report({job_.run(), calm.run()});
  Browser browser;
  browser.open(page, {.width = 1280});
  EXPECT_EQ(count(browser, "figure[data-chart=loss]"), 1);
  EXPECT_EQ(count(browser, "figure[data-chart=loss] .curve.c0:not(.lost)"), 1);
  EXPECT_EQ(count(browser, "figure[data-chart=loss] .curve.c1"), 1);
  EXPECT_EQ(count(browser, "figure .area"), 10);
  EXPECT_TRUE(browser.complaints().empty());
}

}  // namespace
}  // namespace lockstep::testing
