// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <map>
#include <regex>

#include "house/rules.h"
#include "house/shape.h"

namespace lockstep::house {
namespace {

constexpr int kFileMedian = 120;
constexpr int kFileP95 = 350;
constexpr int kFileMax = 500;
constexpr int kFunctionP95 = 40;
constexpr int kFunctionMax = 70;
constexpr int kMainMax = 20;
constexpr int kWiringMax = 45;
constexpr int kParameters = 4;
constexpr int kBools = 2;
constexpr int kClassMax = 150;
constexpr int kRoomPercent = 20;
constexpr double kLeastComments = 5;
constexpr double kMostComments = 50;
constexpr double kIfsPerThousandLines = 1;

// The loop, the step and the wiring: what a reader of the whole story reads, file and name.
const std::map<std::string, std::string>& story() {
  static const std::map<std::string, std::string> kStory = {
      {"Trainer::run", "src/train/trainer.cpp"},
      {"Trainer::advance", "src/train/trainer.cpp"},
      {"run_application", "src/cli/application.cpp"},
      {"train_command", "src/cli/train_command.cpp"},
      {"prepare_training", "src/cli/prepare_training.cpp"},
  };
  return kStory;
}

std::string over(int number, int limit) {
  return std::to_string(number) + ", limit " + std::to_string(limit);
}

// How many are longer than a share allows, the longest first: what to shorten to get there.
void judge_percentile(Violations& found, std::vector<Violation> longest, const std::string& what) {
  const std::size_t shown = std::min<std::size_t>(longest.size(), 5);
  for (std::size_t i = 0; i < shown; ++i) longest[i].what = what + "; among the longest: " + longest[i].what;
  found.insert(found.end(), longest.begin(), longest.begin() + static_cast<std::ptrdiff_t>(shown));
}

struct Measured {
  Violation where;
  int lines = 0;
};

void longest_first(std::vector<Measured>& all) {
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.lines > b.lines; });
}

std::vector<Violation> places(const std::vector<Measured>& all) {
  std::vector<Violation> list;
  for (const Measured& one : all) list.push_back(one.where);
  return list;
}

std::vector<int> lengths(const std::vector<Measured>& all) {
  std::vector<int> list;
  for (const Measured& one : all) list.push_back(one.lines);
  return list;
}

int limit_of(const File& file, const Function& function) {
  if (function.name == "main") return kMainMax;
  const auto known = story().find(function.name);
  return known != story().end() && known->second == file.path ? kWiringMax : kFunctionMax;
}

// A story function that is gone would take its limit with it.
void miss_story(const Tree& tree, const std::vector<Measured>& functions, Violations& found) {
  for (const File& file : tree)
    for (const auto& [name, path] : story()) {
      if (file.path != path) continue;
      const bool there = std::any_of(functions.begin(), functions.end(), [&](const Measured& one) {
        return one.where.file == path && one.where.what.rfind(name + ":", 0) == 0;
      });
      if (!there)
        found.push_back(
            {path, 1, name + " is not here any more: change the list in tests/house/size_rules.cpp"});
    }
}

std::string share_text(const char* what, double share, const char* aim) {
  char text[160];
  std::snprintf(text, sizeof text,
                "%s: %.1f %% of the lines have a comment, the aim is %s, limits %.0f and %.0f", what, share,
                aim, kLeastComments, kMostComments);
  return text;
}

bool is_license(const Line& line) {
  return line.comment.find("SPDX-License-Identifier") != std::string::npos;
}

bool is_blank(const Line& line) {
  return line.comment.empty() && line.code.find_first_not_of(" \t") == std::string::npos;
}

}  // namespace

int percentile(std::vector<int> numbers, int percent) {
  if (numbers.empty()) return 0;
  std::sort(numbers.begin(), numbers.end());
  const std::size_t rank = (numbers.size() * static_cast<std::size_t>(percent) + 99) / 100;
  return numbers[std::max<std::size_t>(rank, 1) - 1];
}

double comment_share(const Tree& tree, bool headers) {
  int lines = 0;
  int comments = 0;
  for (const File& file : tree) {
    if (!file.is_ours() || file.is_header() != headers) continue;
    for (const Line& line : file.lines) {
      if (is_blank(line) || is_license(line)) continue;
      ++lines;
      if (!line.comment.empty()) ++comments;
    }
  }
  return lines == 0 ? 0 : 100.0 * comments / lines;
}

Violations files_are_short(const Tree& tree) {
  Violations found;
  std::vector<Measured> all;
  for (const File& file : tree) {
    if (!file.is_ours()) continue;
    const int lines = static_cast<int>(file.lines.size());
    all.push_back({{file.path, 1, std::to_string(lines) + " lines"}, lines});
    if (lines > kFileMax)
      found.push_back({file.path, kFileMax + 1, "file of lines: " + over(lines, kFileMax)});
  }
  longest_first(all);
  const int median = percentile(lengths(all), 50);
  const int p95 = percentile(lengths(all), 95);
  if (median > kFileMedian)
    judge_percentile(found, places(all), "median of file lines: " + over(median, kFileMedian));
  if (p95 > kFileP95) judge_percentile(found, places(all), "95 % of file lines: " + over(p95, kFileP95));
  return found;
}

Violations functions_are_short(const Tree& tree) {
  Violations found;
  std::vector<Measured> all;
  for (const File& file : tree) {
    if (!file.is_ours()) continue;
    const Shape shape = shape_of(file);
    if (!shape.balanced)
      found.push_back({file.path, 1, "braces without partner: the functions cannot be told apart"});
    for (const Function& function : shape.functions) {
      if (function.lines == 0) continue;
      const std::string lines = function.name + ": " + std::to_string(function.lines) + " lines";
      all.push_back({{file.path, function.line, lines}, function.lines});
      const int limit = limit_of(file, function);
      if (function.lines > limit)
        found.push_back({file.path, function.line, function.name + ": lines " + over(function.lines, limit)});
    }
  }
  miss_story(tree, all, found);
  longest_first(all);
  const int p95 = percentile(lengths(all), 95);
  if (p95 > kFunctionP95)
    judge_percentile(found, places(all), "95 % of function lines: " + over(p95, kFunctionP95));
  return found;
}

Violations parameters_are_few(const Tree& tree) {
  Violations found;
  for (const File& file : tree) {
    if (!file.is_ours()) continue;
    for (const Function& function : shape_of(file).functions)
      if (function.parameters > kParameters)
        found.push_back({file.path, function.line,
                         function.name + ": parameters " + over(function.parameters, kParameters)});
  }
  return found;
}

namespace {

// Our classes of which there is more than `limit` of `what`.
Violations classes_over(const Tree& tree, int Class::*count, int limit, const std::string& what) {
  Violations found;
  for (const File& file : tree) {
    if (!file.is_ours()) continue;
    for (const Class& one : shape_of(file).classes)
      if (one.*count > limit)
        found.push_back({file.path, one.line, one.name + ": " + what + " " + over(one.*count, limit)});
  }
  return found;
}

}  // namespace

Violations bools_are_few(const Tree& tree) {
  return classes_over(tree, &Class::bools, kBools, "bool members");
}

Violations classes_are_short(const Tree& tree) {
  return classes_over(tree, &Class::lines, kClassMax, "class of lines");
}

Violations rooms_are_small(const Tree& tree) {
  static const std::regex kRoom("(?:src|include/lockstep)/([^/]+)/.*");
  std::map<std::string, int> rooms;
  int house = 0;
  for (const File& file : tree) {
    std::smatch match;
    if (!file.is_ours()) continue;
    const int lines = static_cast<int>(file.lines.size());
    house += lines;
    if (std::regex_match(file.path, match, kRoom)) rooms[match[1]] += lines;
  }
  Violations found;
  for (const auto& [room, lines] : rooms)
    if (lines * 100 > house * kRoomPercent)
      found.push_back({"src/" + room, 1,
                       std::to_string(lines) + " of the house's " + std::to_string(house) + " lines, limit " +
                           std::to_string(kRoomPercent) + " %"});
  return found;
}

Violations comment_shares_are_sane(const Tree& tree) {
  Violations found;
  const double headers = comment_share(tree, true);
  const double sources = comment_share(tree, false);
  if (headers < kLeastComments || headers > kMostComments)
    found.push_back({"src and include", 1, share_text("headers", headers, "30-45 %")});
  if (sources < kLeastComments || sources > kMostComments)
    found.push_back({"src and include", 1, share_text("sources", sources, "8-15 %")});
  return found;
}

Violations conditional_code_is_rare(const Tree& tree) {
  static const std::regex kBackend("src/.*/(mpi|nccl|loopback|cuda)/.*");
  static const std::regex kConditional(R"(^\s*#\s*(if|ifdef|ifndef|elif)\b.*)");
  Violations places;
  std::size_t lines = 0;
  for (const File& file : tree) {
    if (!file.is_ours() || std::regex_match(file.path, kBackend)) continue;
    lines += file.lines.size();
    for (std::size_t n = 0; n < file.lines.size(); ++n)
      if (file.lines[n].directive && std::regex_match(file.lines[n].code, kConditional))
        places.push_back({file.path, static_cast<int>(n) + 1, ""});
  }
  if (static_cast<double>(places.size()) * 1000 <= kIfsPerThousandLines * static_cast<double>(lines))
    return {};
  for (Violation& place : places)
    place.what = "one of " + std::to_string(places.size()) + " #if in " + std::to_string(lines) +
                 " lines, limit 1 in 1000: let CMake choose a source file instead";
  return places;
}

}  // namespace lockstep::house
