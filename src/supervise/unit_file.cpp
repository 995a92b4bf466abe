// SPDX-License-Identifier: Apache-2.0
#include "supervise/unit_file.h"

#include <fmt/format.h>

namespace lockstep {
namespace {

// As systemd reads it back as one word, without any of its own meanings.
std::string unit_word(const std::string& word) {
  std::string out = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '%' || c == '$') out += c;
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + "\"";
}

std::string unit_text(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '%' ? "%%" : std::string(1, c == '\n' ? ' ' : c);
  return out;
}

}  // namespace

std::string unit_file(const UnitOptions& options) {
  std::string command;
  for (const std::string& word : options.command) command += (command.empty() ? "" : " ") + unit_word(word);
  return fmt::format(R"([Unit]
Description={}
Wants=network-online.target
After=network-online.target remote-fs.target
# However often it was killed, the next start goes on.
StartLimitIntervalSec=0

[Service]
Type=exec
WorkingDirectory={}
ExecStart={}
# The supervisor asks the ranks to save; they have this long. Then systemd ends what is left.
KillMode=mixed
KillSignal=SIGTERM
TimeoutStopSec=10min
# It starts its ranks again itself: only when it was killed is this systemd's affair. 75: stopped on request, saved.
Restart=on-abnormal
RestartSec=10
SuccessExitStatus=75
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
)",
                     unit_text(options.description), unit_text(options.directory), command);
}

}  // namespace lockstep
