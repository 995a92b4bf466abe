// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/log.h"

#include <fcntl.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/descriptor.h"
#include "base/line_writer.h"
#include "base/utf8.h"
#include "base/whole_write.h"
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

// What a person reads: no time, no rank, one shape for all. A terminal that is gone is nobody's error.
class StderrSink : public spdlog::sinks::base_sink<std::mutex> {
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string line = fmt::format("lockstep: {}\n", fmt::string_view(message.payload));
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
  void flush_() override { std::fflush(stderr); }
};

// In place of spdlog's own words, which it would repeat every second: a full disk is said once.
void say_once_that_the_log_fails(const std::string& why) {
  static std::once_flag said;
  std::call_once(said, [&] {
    const std::string line =
        fmt::format("lockstep: warning: a line of the log was lost: {}\n", printable(why));
    std::fwrite(line.data(), 1, line.size(), stderr);
  });
}

std::shared_ptr<spdlog::logger> make_logger(const std::vector<spdlog::sink_ptr>& sinks) {
  auto logger = std::make_shared<spdlog::logger>("lockstep", sinks.begin(), sinks.end());
  logger->set_error_handler(say_once_that_the_log_fails);
  return logger;
}

std::shared_ptr<spdlog::logger>& sink() {
  static std::shared_ptr<spdlog::logger> logger = make_logger({std::make_shared<StderrSink>()});
  return logger;
}

// What ends a line, drives a terminal, is not seen, or turns the direction of what follows.
bool is_control(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

// The log of a run lies beside its checkpoints, on a disk that may not answer: a thread writes the lines.
// spdlog would follow a link that somebody planted where the log goes, and wait for the reader of a fifo; so
// the file is opened here.
class FileSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(const std::string& path)
      : file_(
            ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644)) {
    struct stat status {};
    if (file_.get() < 0 || ::fstat(file_.get(), &status) != 0)
      throw spdlog::spdlog_ex("Failed opening it", errno);
    if (!S_ISREG(status.st_mode)) throw spdlog::spdlog_ex("it is not a regular file");
  }
  bool flush_for(std::chrono::milliseconds limit) { return writer_.flush_for(limit); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (!writer_.try_append("", fmt::to_string(line)))
      say_once_that_the_log_fails("too many lines wait for the disk");
  }
  void flush_() override {}
  void write(const std::string& line) {
    const auto append = [&](const void* bytes, std::size_t count, off_t) {
      return ::write(file_.get(), bytes, count);
    };
    const int error = write_whole(append, 0, std::as_bytes(std::span(line)), 1);
    if (error != 0) say_once_that_the_log_fails(std::strerror(error));
  }

  Descriptor file_;
  LineWriter writer_{[this](const std::string&, const std::string& line) { write(line); }};
};

std::shared_ptr<FileSink>& file_sink() {
  static std::shared_ptr<FileSink> open;
  return open;
}

}  // namespace

void configure_log(const LogOptions& options) {
  std::vector<spdlog::sink_ptr> sinks;
  if (options.to_stderr) sinks.push_back(std::make_shared<StderrSink>());
  std::shared_ptr<FileSink> file;
  try {
    if (!options.file.empty()) sinks.push_back(file = std::make_shared<FileSink>(options.file));
  } catch (const spdlog::spdlog_ex& error) {
    throw Fault(ExitCode::kRunDirectory,
                fmt::format("{}: cannot open the log: {}", options.file, error.what()),
                "Make the run directory writable, or choose another run.dir");
  }
  auto logger = make_logger(sinks);
  logger->set_level(level_for(options.level));
  logger->set_pattern("%H:%M:%S " + options.prefix + "%v");
  logger->flush_on(spdlog::level::info);
  sink() = std::move(logger);
  file_sink() = std::move(file);
}

bool flush_log(std::chrono::milliseconds limit) {
  return !file_sink() || file_sink()->flush_for(limit);
}

void log_line(LogLevel level, std::string_view message) {
  const char* mark = level == LogLevel::kWarning ? "warning: " : level == LogLevel::kError ? "error: " : "";
  sink()->log(level_for(level), "{}{}", mark, printable(message));
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8 next = first_utf8(text);
    const std::size_t length = std::max<std::size_t>(next.length, 1);
    if (next.length == 0 || is_control(next.character))
      for (const char byte : text.substr(0, length))
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    else
      out += text.substr(0, length);
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace lockstep
