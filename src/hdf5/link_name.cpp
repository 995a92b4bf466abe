// SPDX-License-Identifier: Apache-2.0
#include "hdf5/link_name.h"

#include "lockstep/base/error.h"

namespace lockstep {

namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";

// Upper case, as in the %2F that the format page promises.
void append_escape(std::string& out, unsigned char byte) {
  out += '%';
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

}  // namespace

std::string encode_link(std::string_view name) {
  check(!name.empty(), "a tensor has a name");
  std::string out;
  out.reserve(name.size());
  const bool is_path = name == "." || name == "..";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    // The escape mark itself is escaped, so that no two names share a link.
    if (c == '/' || c == '%' || byte < 0x20 || byte == 0x7f || (is_path && out.empty()))
      append_escape(out, byte);
    else
      out += c;
  }
  return out;
}

std::string decode_link(std::string_view link) {
  std::string out;
  out.reserve(link.size());
  for (std::size_t i = 0; i < link.size(); ++i) {
    const std::size_t high = i + 3 <= link.size() ? kHex.find(link[i + 1]) : std::string_view::npos;
    const std::size_t low = i + 3 <= link.size() ? kHex.find(link[i + 2]) : std::string_view::npos;
    if (link[i] == '%' && high != std::string_view::npos && low != std::string_view::npos) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += link[i];
    }
  }
  return out;
}

}  // namespace lockstep
