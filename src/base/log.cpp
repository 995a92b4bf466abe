// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <vector>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

spdlog::level::level_enum level_for(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::shared_ptr<spdlog::logger>& sink() {
  static std::shared_ptr<spdlog::logger> logger =
      std::make_shared<spdlog::logger>("lockstep", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  return logger;
}

// The length of a well-formed UTF-8 sequence at the front of `text`; 0 for a broken one.
std::size_t utf8_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80       ? 1
                             : lead >> 5 == 6  ? 2
                             : lead >> 4 == 14 ? 3
                             : lead >> 3 == 30 ? 4
                                               : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
  return length;
}

}  // namespace

void configure_log(const LogOptions& options) {
  std::vector<spdlog::sink_ptr> sinks;
  if (options.to_stderr) sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  try {
    if (!options.file.empty())
      sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file, /*truncate=*/false));
  } catch (const spdlog::spdlog_ex& error) {
    throw Fault(ExitCode::kRunDirectory,
                fmt::format("{}: cannot open the log: {}", options.file, error.what()),
                "Make the run directory writable, or choose another run.dir");
  }
  auto logger = std::make_shared<spdlog::logger>("lockstep", sinks.begin(), sinks.end());
  logger->set_level(level_for(options.level));
  logger->set_pattern("%H:%M:%S " + options.prefix + "%v");
  logger->flush_on(spdlog::level::info);
  sink() = std::move(logger);
}

void log_line(LogLevel level, std::string_view message) {
  const char* mark = level == LogLevel::kWarning ? "warning: " : level == LogLevel::kError ? "error: " : "";
  sink()->log(level_for(level), "{}{}", mark, printable(message));
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    const bool control = length == 1 && (byte < 0x20 || byte == 0x7f) && byte != '\n';
    if (length == 0 || control) {
      out += fmt::format("\\x{:02x}", byte);
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

}  // namespace lockstep
