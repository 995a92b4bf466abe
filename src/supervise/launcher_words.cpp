// SPDX-License-Identifier: Apache-2.0
#include "supervise/launcher_words.h"

#include <algorithm>
#include <array>
#include <utility>

namespace lockstep {
namespace {

struct Sign {
  const char* words;
  Circumstance means;
};

// Open MPI 4's help texts and ssh's own messages.
constexpr std::array<Sign, 15> kSigns = {{
    {"unable to reliably start one or more daemons", Circumstance::kUnreachable},
    {"daemon has unexpectedly failed", Circumstance::kUnreachable},
    {"lost communication with a remote daemon", Circumstance::kUnreachable},
    {"does not know how to route a message", Circumstance::kUnreachable},
    {"ssh: connect to host", Circumstance::kUnreachable},
    {"ssh: Could not resolve hostname", Circumstance::kUnreachable},
    {"Connection closed by", Circumstance::kUnreachable},
    {"Connection timed out during banner", Circumstance::kUnreachable},
    {"kex_exchange_identification", Circumstance::kUnreachable},
    {"not enough space", Circumstance::kNoSpace},
    {"No space left on device", Circumstance::kNoSpace},
    {"insufficient space", Circumstance::kNoSpace},
    {"unable to create the session dir", Circumstance::kNoSpace},
    {"opal_os_dirpath_create", Circumstance::kNoSpace},
    {"Unable to create the session directory", Circumstance::kNoSpace},
}};

bool is_dashes(const std::string& line) {
  return line.size() >= 20 && line.find_first_not_of('-') == std::string::npos;
}

bool is_own_line(const std::string& line) {
  const auto has = [&line](const char* words) { return line.find(words) != std::string::npos; };
  return line.starts_with("mpirun: ") || line.starts_with("mpirun noticed ") ||
         has("sent help message help-") || has("\"orte_base_help_aggregate\"");
}

bool speaks_of_transport(const std::string& line) {
  return line.starts_with("ssh: ") || line.starts_with("Connection ") || line.starts_with("kex_exchange");
}

// `host` as a word of its own: node1 is not in node12.
bool names(const std::string& line, const std::string& host) {
  const auto part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-'; };
  for (auto at = line.find(host); at != std::string::npos; at = line.find(host, at + 1)) {
    const std::size_t end = at + host.size();
    if ((at == 0 || !part(line[at - 1])) && (end == line.size() || !part(line[end]))) return true;
  }
  return false;
}

std::string trimmed(const std::string& line) {
  const auto begin = line.find_first_not_of(" \t");
  return begin == std::string::npos ? "" : line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

}  // namespace

std::string LauncherWords::take(const std::string& text) {
  unfinished_ += text;
  std::string pass_on;
  for (std::size_t end = 0; (end = unfinished_.find('\n')) != std::string::npos;) {
    pass_on += take_line(unfinished_.substr(0, end));
    unfinished_.erase(0, end + 1);
  }
  return pass_on;
}

std::string LauncherWords::rest() {
  return in_block_ ? "" : std::exchange(unfinished_, "");
}

std::string LauncherWords::take_line(const std::string& line) {
  if (is_dashes(line)) {
    in_block_ = !in_block_;
    return "";
  }
  if (in_block_ || speaks_of_transport(line)) read_for_reason(line);
  if (!in_block_ && !is_own_line(line)) return line + "\n";
  blocks_ += line + "\n";
  return "";
}

void LauncherWords::read_for_reason(const std::string& line) {
  for (const Sign& sign : kSigns) {
    if (circumstance_ != Circumstance::kNone || line.find(sign.words) == std::string::npos) continue;
    circumstance_ = sign.means;
    detail_ = trimmed(line);
  }
  if (detail_.empty() && in_block_) detail_ = trimmed(line);
  // A block names its hosts in lines of their own; "HNP daemon" is this machine's.
  if (circumstance_ != Circumstance::kUnreachable || line.find("HNP daemon") != std::string::npos) return;
  for (const std::string& host : hosts_)
    if (names(line, host) && std::find(bad_hosts_.begin(), bad_hosts_.end(), host) == bad_hosts_.end())
      bad_hosts_.push_back(host);
}

}  // namespace lockstep
