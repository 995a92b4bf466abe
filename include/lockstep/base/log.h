// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <string_view>

namespace lockstep {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Where messages go. The one mutable global of the program: set up once by main (or by a test), used from any
// thread.
struct LogOptions {
  std::string prefix;  // in the file, in front of each line, such as "[rank 1] "
  std::string file;    // a copy goes there, with times, if not empty; opened for append
  LogLevel level = LogLevel::kInfo;
  bool to_stderr = true;  // rank 0 speaks; the others write files
};

// Throws Fault (73) when the file cannot be opened.
void configure_log(const LogOptions& options);

// Local. A thread writes the lines of the file, so that a disk that does not answer stops nobody. Waits until
// they are written, that long at most; false when some are not. Before a process ends by _exit or abort.
bool flush_log(std::chrono::milliseconds limit);

// Local. One line, on standard error as "lockstep: [warning: |error: ]message"; control bytes in `message`
// are escaped, so that no name from a file can forge a line or colour a terminal.
void log_line(LogLevel level, std::string_view message);

template <class... Args>
void log_debug(fmt::format_string<Args...> text, Args&&... args) {
  log_line(LogLevel::kDebug, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> text, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> text, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> text, Args&&... args) {
  log_line(LogLevel::kError, fmt::format(text, std::forward<Args>(args)...));
}

// `text` with every control byte and every broken UTF-8 byte written as \xNN.
std::string printable(std::string_view text);

}  // namespace lockstep
