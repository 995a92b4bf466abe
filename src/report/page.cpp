// SPDX-License-Identifier: Apache-2.0
#include "report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "report/chart.h"

namespace lockstep {
namespace {

constexpr std::size_t kMostRows = 500;
constexpr std::size_t kLongCell = 30;    // characters; shorter ones are not broken
constexpr std::size_t kMostMarks = 300;  // beyond it, those of one kind at one step are one

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#5c6670;--paper:#fff;--line:#d8dee4;--c0:#0b62c4;--c1:#b3400b;--c2:#1a7f37;
--c3:#8250df;--c4:#9a6700;--c5:#bf3989}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9aa4af;--paper:#0d1117;--line:#30363d;--c0:#58a6ff;--c1:#f0883e;
--c2:#56d364;--c3:#bc8cff;--c4:#e3b341;--c5:#f778ba}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:1500px;font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1,h2,h3{line-height:1.2;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:.2rem 0}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1rem}
figure{margin:0;border:1px solid var(--line);border-radius:6px;padding:.6rem;min-width:0}
svg{width:100%;height:auto;display:block}
.grid{stroke:var(--line)}.tick{fill:var(--dim);font:11px system-ui,sans-serif}
@media(max-width:600px){.tick{font-size:15px}}
.curve{fill:none;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}.lost{opacity:.4;stroke-dasharray:3 3}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}.c4{stroke:var(--c4)}.c5{stroke:var(--c5)}
.area{stroke:none;opacity:.75}.band{stroke-width:8}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}
.mark{stroke-width:1.5}.attempt{stroke:#1a7f37}.stop{stroke:#8a6d00;stroke-dasharray:6 3}.refused{stroke:#d1242f}
.straggler{stroke:#bc4c00;stroke-dasharray:2 2}.skipped{stroke:#8250df;stroke-dasharray:4 2}.other{stroke:var(--dim);stroke-dasharray:1 3}
.key{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;margin:.6rem 0;padding:0;list-style:none}.key svg{width:1.8rem;display:inline-block}
.table{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}th,td{text-align:left;vertical-align:top;padding:.2rem .7rem .2rem 0;
border-bottom:1px solid var(--line)}td{white-space:nowrap}td.long{white-space:normal;overflow-wrap:anywhere;min-width:18rem}.dim{color:var(--dim)}
)";

// The kind of a mark; empty: an event that is none. What this version does not know is marked as other.
std::string kind_of(const std::string& event) {
  static const std::map<std::string, std::string> kKinds = {{"attempt_begin", "attempt"},
                                                            {"resumed", "attempt"},
                                                            {"restarting", "attempt"},
                                                            {"attempt_end", "stop"},
                                                            {"stopped", "stop"},
                                                            {"gave_up", "stop"},
                                                            {"hang", "stop"},
                                                            {"rank_lost", "stop"},
                                                            {"replicas_differ", "stop"},
                                                            {"waiting", "stop"},
                                                            {"requeued", "stop"},
                                                            {"checkpoint_refused", "refused"},
                                                            {"checkpoint_failed", "refused"},
                                                            {"straggler", "straggler"},
                                                            {"storage_slow", "straggler"},
                                                            {"step_skipped", "skipped"},
                                                            {"rolled_back", "skipped"},
                                                            {"loss_spike", "skipped"},
                                                            {"overflow_skipped", "skipped"},
                                                            {"checkpoint_saved", ""},
                                                            {"checkpoint_pruned", ""},
                                                            {"save_interval", ""},
                                                            {"checkpoint_waited", ""},
                                                            {"attempt_trains", ""},
                                                            {"stop_lead", ""},
                                                            {"done", ""}};
  const auto known = kKinds.find(event);
  return known == kKinds.end() ? "other" : known->second;
}

std::string details(const StoryEvent& event) {
  std::string text;
  for (const auto& [key, value] : event.fields)
    if (key != "step") text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", key, value);
  return text;
}

std::vector<Mark> marks_of(const std::vector<RunStory>& runs) {
  std::vector<Mark> marks;
  for (const RunStory& run : runs)
    for (const StoryEvent& event : run.events) {
      const std::string kind = kind_of(event.name);
      if (kind.empty()) continue;
      marks.push_back({event.step, kind,
                       fmt::format("{}{}, step {}, attempt {}: {}", runs.size() > 1 ? run.name + ": " : "",
                                   event.name, event.step, event.attempt, details(event))});
    }
  // Many at one place look like one.
  if (marks.size() > kMostMarks) {
    std::set<std::pair<std::string, std::int64_t>> seen;
    std::vector<Mark> kept;
    for (Mark& mark : marks)
      if (seen.emplace(mark.kind, mark.step).second) kept.push_back(std::move(mark));
    marks = std::move(kept);
  }
  return marks;
}

std::string key_entry(const std::string& of, const std::string& text) {
  return fmt::format(
      "<li><svg viewBox=\"0 0 28 10\" aria-hidden=\"true\"><line class=\"{}\" x1=\"0\" x2=\"28\" "
      "y1=\"5\" y2=\"5\"/></svg> {}</li>",
      of, html_text(text));
}

// Where the time of a step goes, as areas on one another.
std::string phases(const RunStory& run, const std::string& title, const std::vector<Mark>& marks) {
  std::vector<const Series*> layers;
  std::string key = "<ul class=\"key\">";
  for (const char* phase : {"compute", "exchange", "optimizer", "data", "other"}) {
    const auto series = run.series.find(kSecondsPrefix + phase);
    if (series == run.series.end()) continue;
    key += key_entry(fmt::format("band c{}", layers.size()), phase);
    layers.push_back(&series->second);
  }
  const std::string svg = stack_svg(title, layers, marks);
  if (svg.empty()) return "";
  return fmt::format("<figure><h2>{}</h2>{}{}</ul></figure>\n", html_text(title), svg, key);
}

std::string charts(const std::vector<RunStory>& runs) {
  std::vector<std::string> names = {"loss", "lr", "grad_norm", "samples_per_s"};
  for (const RunStory& run : runs)
    for (const auto& [name, series] : run.series)
      if (!name.starts_with(kSecondsPrefix) && std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
  const std::vector<Mark> marks = marks_of(runs);
  std::string html;
  for (const std::string& name : names) {
    std::vector<Curve> curves;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const auto series = runs[i].series.find(name);
      const auto lost = runs[i].lost.find(name);
      if (series != runs[i].series.end())
        curves.push_back({i, &series->second, lost == runs[i].lost.end() ? nullptr : &lost->second});
    }
    const std::string svg = chart_svg(name, curves, marks);
    if (!svg.empty())
      html += fmt::format("<figure data-chart=\"{0}\"><h2>{0}</h2>{1}</figure>\n", html_text(name), svg);
  }
  for (const RunStory& run : runs)
    html += phases(run, runs.size() > 1 ? "seconds of a step, " + run.name : "seconds of a step", marks);
  return html.empty() ? "<p>Nothing was measured yet.</p>\n" : "<div class=\"charts\">\n" + html + "</div>\n";
}

std::string key(const std::vector<RunStory>& runs) {
  std::string html = "<ul class=\"key\">";
  for (std::size_t i = 0; i < runs.size(); ++i)
    html += key_entry(fmt::format("curve c{}", i % 6), runs[i].name);
  html += key_entry("curve lost c0", "done anew by a later attempt");
  html += key_entry("mark attempt", "attempt, restart, resume") + key_entry("mark stop", "stop, end, wait");
  html += key_entry("mark refused", "refused or failed checkpoint");
  html += key_entry("mark straggler", "straggler, slow storage");
  html += key_entry("mark skipped", "skipped step, rollback, loss spike, overflow") +
          key_entry("mark other", "other event");
  return html + "</ul>\n";
}

using Cells = std::vector<std::string>;

std::string table(const std::string& title, const Cells& head, const std::vector<Cells>& rows) {
  if (rows.empty()) return "";
  const std::size_t first = rows.size() > kMostRows ? rows.size() - kMostRows : 0;
  std::string html = fmt::format("<h3>{}</h3>", title);
  if (first > 0) html += fmt::format("<p class=\"dim\">The last {} of {}.</p>", kMostRows, rows.size());
  html += "<div class=\"table\"><table><thead><tr>";
  for (const std::string& cell : head) html += "<th>" + cell + "</th>";
  html += "</tr></thead><tbody>\n";
  for (std::size_t i = first; i < rows.size(); ++i) {
    html += "<tr>";
    for (const std::string& cell : rows[i])
      html += (cell.size() > kLongCell ? "<td class=\"long\">" : "<td>") + html_text(cell) + "</td>";
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

// By attempt: where it began and ended, as far as anybody wrote it.
std::vector<Cells> attempts_of(const RunStory& run) {
  std::map<std::int64_t, Cells> attempts;
  for (const StoryEvent& event : run.events) {
    Cells& row = attempts
                     .try_emplace(event.attempt, Cells{std::to_string(event.attempt), event.time, "", "", "",
                                                       "", "", event.time})
                     .first->second;
    row[7] = event.time;
    if (event.name == "resumed") row[2] = event.field("step");
    if (event.name != "attempt_end") continue;
    row[3] = event.time;
    row[4] = event.field("code");
    row[5] = event.field("cause").empty() ? event.field("reason") : event.field("cause");
    row[6] = event.field("steps_lost");
  }
  std::vector<Cells> rows;
  for (auto& [attempt, row] : attempts) rows.push_back(std::move(row));
  return rows;
}

std::string tables(const RunStory& run) {
  std::vector<Cells> checkpoints;
  std::vector<Cells> events;
  for (const StoryEvent& event : run.events) {
    if (event.name == "checkpoint_saved")
      checkpoints.push_back({std::to_string(event.step), event.field("directory"), event.field("bytes"),
                             event.field("seconds"), std::to_string(event.attempt), event.time});
    else if (event.name != "checkpoint_pruned")
      events.push_back({event.time, std::to_string(event.attempt), std::to_string(event.step), event.name,
                        details(event)});
  }
  std::string html = "<h2>" + html_text(run.name) + "</h2>\n";
  if (run.unreadable_lines > 0)
    html += fmt::format("<p class=\"dim\">{} lines could not be read and were skipped.</p>\n",
                        run.unreadable_lines);
  html += table(
      "Attempts",
      {"attempt", "first event", "resumed from step", "end", "code", "cause", "steps lost", "last event"},
      attempts_of(run));
  html += table("Checkpoints", {"step", "directory", "bytes", "seconds", "attempt", "time"}, checkpoints);
  return html + table("Events", {"time", "attempt", "step", "event", "details"}, events);
}

}  // namespace

std::string report_page(const std::vector<RunStory>& runs) {
  std::string names;
  for (const RunStory& run : runs) names += (names.empty() ? "" : ", ") + run.name;
  std::string html = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n";
  html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n";
  html += "<link rel=\"icon\" href=\"data:,\"/>\n<title>" + html_text(names) + "</title>\n<style>";
  html += kStyle;
  html += "</style></head><body>\n<h1>" + html_text(names) + "</h1>\n" + key(runs) + charts(runs);
  for (const RunStory& run : runs) html += tables(run);
  return html + "</body></html>\n";
}

}  // namespace lockstep
