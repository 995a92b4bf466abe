// SPDX-License-Identifier: Apache-2.0
#include "config/paths.h"

#include <cctype>
#include <filesystem>

#include "config/environment.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

// "$NAME" or "${" anywhere in it.
bool names_a_variable(const std::string& path) {
  for (std::size_t at = path.find('$'); at != std::string::npos; at = path.find('$', at + 1)) {
    const char next = at + 1 < path.size() ? path[at + 1] : ' ';
    if (next == '{' || next == '_' || std::isalpha(static_cast<unsigned char>(next)) != 0) return true;
  }
  return false;
}

}  // namespace

std::string expanded_path(const std::string& path, ExitCode code) {
  std::error_code ignored;
  if (names_a_variable(path) && !std::filesystem::exists(path, ignored))
    throw Fault(code,
                "the path " + printable(path) + " names a variable, and variables are not expanded here",
                "Write the path itself, or let the shell expand it: in double quotes, on the command line");
  if (!path.starts_with('~')) return path;
  if (path.size() > 1 && path[1] != '/')
    throw Fault(code, "the path " + printable(path) + ": only your own home directory has a short form, ~/",
                "Write the path itself; for a file of that name, ./" + printable(path));
  const std::string home = home_directory();
  if (home.empty())
    throw Fault(code, "the path " + printable(path) + " begins with ~, and HOME is not set",
                "Set HOME, or write the path itself");
  return home + path.substr(1);
}

}  // namespace lockstep
