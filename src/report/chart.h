// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "report/run_story.h"

namespace lockstep {

// Local. Text as it may stand in HTML and in a quoted attribute: what a name holds is never markup.
std::string html_text(const std::string& text);

// Local. At most about 4 * buckets of the points, in order: of each bucket of steps its first, lowest,
// highest and last, and a NaN where it has one, so that no spike and no gap is lost.
Series thinned(const Series& series, std::size_t buckets);

// A line of a chart; `run` chooses its colour.
struct Curve {
  std::size_t run = 0;
  const Series* series = nullptr;
  const Series* lost = nullptr;  // may be null
};

// A vertical line of a chart.
struct Mark {
  std::int64_t step = 0;
  std::string kind;  // a class of the page's style
  std::string text;
};

// Local. One <svg>: the curves over steps, with the marks; empty when no value of them is finite. Values of
// more than three orders of magnitude, all above zero, get a logarithmic axis.
std::string chart_svg(const std::string& title, const std::vector<Curve>& curves,
                      const std::vector<Mark>& marks);

// Local. The same for parts of a whole, as areas on one another, the first at the bottom; empty where there
// are not two steps that all layers have.
std::string stack_svg(const std::string& title, const std::vector<const Series*>& layers,
                      const std::vector<Mark>& marks);

}  // namespace lockstep
