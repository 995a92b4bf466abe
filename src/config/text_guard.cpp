// SPDX-License-Identifier: Apache-2.0
#include "config/text_guard.h"

#include <fmt/format.h>

#include "config/yaml_text.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {
namespace {

unsigned char byte_at(const std::string& text, std::size_t i) {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
}

// Bytes after the lead byte look like 10xxxxxx.
bool is_continuation(unsigned char byte) {
  return (byte & 0xC0) == 0x80;
}

// Length of the UTF-8 sequence that starts at `i`; 0 when it is broken (overlong, surrogate, cut off).
std::size_t sequence_length(const std::string& text, std::size_t i) {
  const unsigned char lead = byte_at(text, i);
  const unsigned char second = byte_at(text, i + 1);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4 || !is_continuation(second)) return 0;
  if (lead < 0xE0) return 2;
  if (!is_continuation(byte_at(text, i + 2))) return 0;
  if (lead < 0xF0) {
    const bool overlong = lead == 0xE0 && second < 0xA0;
    const bool surrogate = lead == 0xED && second >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (!is_continuation(byte_at(text, i + 3))) return 0;
  const bool overlong = lead == 0xF0 && second < 0x90;
  const bool beyond = lead == 0xF4 && second >= 0x90;
  return overlong || beyond ? 0 : 4;
}

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
    const unsigned char byte = byte_at(text, i);
    if (byte == '\t' && in_indentation) fail(origin, at, "a tab in the indentation", "Indent with spaces");
    if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7F)
      fail(origin, at, fmt::format("a control byte (0x{:02x})", byte), "A config is text");
    const std::size_t length = sequence_length(text, i);
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
