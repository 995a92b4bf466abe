// SPDX-License-Identifier: Apache-2.0
#include "config/text_guard.h"

#include <fmt/format.h>

#include "base/utf8.h"
#include "config/yaml_text.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {
namespace {

[[noreturn]] void fail(const Origin& origin, Position at, const std::string& what,
                       const std::string& remedy) {
  throw Fault(ExitCode::kConfig, place(origin, at) + ": " + what, remedy);
}

}  // namespace

void guard_text(const std::string& text, const Origin& origin) {
  if (fault_requested("guard.skip_text")) return;
  if (text.size() > kMaxConfigBytes)
    fail(origin, {1, 1}, fmt::format("more than {} bytes", kMaxConfigBytes), "Is this the config file?");
  if (text.starts_with("\xEF\xBB\xBF") || text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    fail(origin, {1, 1}, "a byte order mark", "Save it as UTF-8 without one");

  // yaml-cpp would transcode UTF-16, take some control bytes as text and name a tab a "map value": say it
  // plainly instead.
  Position at{1, 1};
  bool in_indentation = true;
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char byte = static_cast<unsigned char>(text[i]);
    if (byte == '\t' && in_indentation) fail(origin, at, "a tab in the indentation", "Indent with spaces");
    if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F)
      fail(origin, at, fmt::format("a control byte (0x{:02x})", byte), "A config is text");
    const std::size_t length = first_utf8(std::string_view(text).substr(i)).length;
    if (length == 0)
      fail(origin, at, fmt::format("a byte (0x{:02x}) that is not UTF-8", byte), "A config is text");
    i += length;
    if (byte == '\n') {
      at = {at.line + 1, 1};
      in_indentation = true;
    } else {
      ++at.column;
      in_indentation = in_indentation && byte == ' ';
    }
  }
}

}  // namespace lockstep
