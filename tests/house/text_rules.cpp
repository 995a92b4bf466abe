// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <regex>

#include "house/rules.h"

namespace lockstep::house {
namespace {

constexpr std::size_t kLicenseWithin = 3;  // a script's first line is its interpreter

bool is_program(const File& file) {
  static const std::regex kProgram(R"(.*\.(h|cpp|cmake|sh|py|yaml|sbatch)|(.*/)?CMakeLists\.txt|\.ci/[^.]+)"
                                   R"(|launch/[^.]+|tests/launch/stubs/.*)");
  return std::regex_match(file.path, kProgram);
}

Violation at(const File& file, std::size_t index, std::string what) {
  return {file.path, static_cast<int>(index) + 1, std::move(what)};
}

// The comment a line carries: of C++ exactly, of other files anything after '#'.
std::string comment_of(const File& file, std::size_t index) {
  if (file.is_cpp()) return file.lines[index].comment;
  const std::size_t begin = file.text[index].find('#');
  return begin == std::string::npos ? "" : file.text[index].substr(begin);
}

}  // namespace

std::string to_text(const Violations& violations) {
  std::string text;
  for (const Violation& one : violations)
    text += one.file + ":" + std::to_string(one.line) + ": " + one.what + "\n";
  return text;
}

Violations files_name_their_license(const Tree& tree) {
  const std::string wanted = std::string("SPDX-License-Identifier") + ": Apache-2.0";
  Violations found;
  for (const File& file : tree) {
    if (!is_program(file)) continue;
    const std::size_t within = file.is_cpp() ? 1 : kLicenseWithin;
    const auto end = file.text.begin() + static_cast<std::ptrdiff_t>(std::min(file.text.size(), within));
    const bool named = std::any_of(file.text.begin(), end, [&](const std::string& line) {
      return line.find(wanted) != std::string::npos;
    });
    if (!named)
      found.push_back(at(file, 0, "no \"" + wanted + "\" in the first " + std::to_string(within) + " lines"));
  }
  return found;
}

Violations headers_guard_themselves(const Tree& tree) {
  Violations found;
  for (const File& file : tree) {
    if (!file.is_header()) continue;
    const bool once = std::any_of(file.lines.begin(), file.lines.end(), [](const Line& line) {
      return line.directive && line.code.rfind("#pragma once", 0) == 0;
    });
    if (!once) found.push_back(at(file, 0, "no #pragma once"));
  }
  return found;
}

Violations open_work_has_a_number(const Tree& tree) {
  static const std::regex kOpen(R"(\b(TODO|FIXME|XXX|HACK)\b)");
  static const std::regex kNumbered(R"(\bTODO\(#[0-9]+\))");
  Violations found;
  for (const File& file : tree) {
    if (!is_program(file)) continue;
    for (std::size_t n = 0; n < file.text.size(); ++n) {
      const std::string comment = comment_of(file, n);
      if (std::regex_search(comment, kOpen) && !std::regex_search(comment, kNumbered))
        found.push_back(at(file, n, "open work without an issue number: write TODO(#12)"));
    }
  }
  return found;
}

Violations no_path_of_one_machine(const Tree& tree) {
  static const std::regex kPath("(^|[^A-Za-z0-9_.}])/(work|root|home/[a-z]+)/");
  Violations found;
  for (const File& file : tree)
    for (std::size_t n = 0; n < file.text.size(); ++n) {
      std::smatch match;
      if (std::regex_search(file.text[n], match, kPath))
        found.push_back(at(file, n, "a path of one machine: " + match.str()));
    }
  return found;
}

Violations no_code_is_commented_out(const Tree& tree) {
  // Whole statements only: prose that ends in a semicolon has words around its calls. What is indented within
  // a comment is an example.
  static const std::regex kStatement(
      R"( ?([\w:.]+(->[\w:.]+)*\([^)]*\);|return [^ ]+;|#\s*(include|if|ifdef|endif)\b.*|[\w:<>&*]+ [\w.]+ = .*;)"
      R"(|(if|for|while) \(.*\) ?\{?|\}|\} else \{)\s*)");
  Violations found;
  for (const File& file : tree) {
    if (!file.is_cpp()) continue;
    for (std::size_t n = 0; n < file.lines.size(); ++n)
      if (std::regex_match(file.lines[n].comment, kStatement))
        found.push_back(at(file, n, "code in a comment:" + file.lines[n].comment));
  }
  return found;
}

// `grep -q` leaves at its first line; who still writes then dies of SIGPIPE, and under `pipefail` what was
// found is not.
Violations no_pipe_ends_in_a_quiet_grep(const Tree& tree) {
  static const std::regex kShell("#!.*\\bbash|# shellcheck shell=bash");
  static const std::regex kQuiet(R"(\|\s*[ef]?grep (-\w+ )*(-\w*q|--quiet))");
  Violations found;
  for (const File& file : tree) {
    if (file.text.empty() || !std::regex_search(file.text.front(), kShell)) continue;
    for (std::size_t n = 0; n < file.text.size(); ++n)
      if (std::regex_search(file.text[n], kQuiet))
        found.push_back(at(file, n, "a pipe into grep -q: compare what the command printed"));
  }
  return found;
}

Violations links_lead_somewhere(const Tree& tree) {
  static const std::regex kLink(R"(\]\(([^)#:\s]+)(#[^)]*)?\))");
  Violations found;
  for (const File& file : tree) {
    if (file.path.size() < 3 || file.path.substr(file.path.size() - 3) != ".md") continue;
    for (std::size_t n = 0; n < file.text.size(); ++n)
      for (std::sregex_iterator link(file.text[n].begin(), file.text[n].end(), kLink), end; link != end;
           ++link) {
        const std::string target = (std::filesystem::path(file.path).parent_path() / (*link)[1].str())
                                       .lexically_normal()
                                       .generic_string();
        const bool there = std::any_of(tree.begin(), tree.end(), [&](const File& other) {
          return other.path == target || (target.back() == '/' && other.path.rfind(target, 0) == 0);
        });
        if (!there) found.push_back(at(file, n, "a link to " + target + ", which is not there"));
      }
  }
  return found;
}

}  // namespace lockstep::house
