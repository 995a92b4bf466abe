// SPDX-License-Identifier: Apache-2.0
#include "browser/browser.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <stdexcept>

namespace lockstep::testing {
namespace {

using nlohmann::json;

constexpr int kAnswerMs = 60000;

std::string decoded(const std::string& base64) {
  static const std::string kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  int count = 0;
  for (const char c : base64) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string::npos) break;
    bits = bits << 6 | static_cast<unsigned>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xff);
  }
  return bytes;
}

// The pipe's ends are 3 (to read) and 4 (to write) in the browser.
pid_t start(const std::string& program, const std::string& profile, int read_end, int write_end) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::setpgid(0, 0);
  const int in = ::fcntl(read_end, F_DUPFD, 10);
  const int out = ::fcntl(write_end, F_DUPFD, 10);
  const int null = ::open("/dev/null", O_RDWR);
  if (in < 0 || out < 0 || ::dup2(in, 3) < 0 || ::dup2(out, 4) < 0) ::_exit(126);
  for (const int standard : {0, 1, 2}) ::dup2(null, standard);
  const std::string folder = "--user-data-dir=" + profile;
  ::execl(program.c_str(), program.c_str(), "--headless", "--no-sandbox", "--disable-gpu",
          "--disable-dev-shm-usage", "--remote-debugging-pipe", folder.c_str(), "about:blank", nullptr);
  ::_exit(127);
}

}  // namespace

std::string Browser::installed() {
  for (const char* path : {"/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"})
    if (std::filesystem::exists(path)) return path;
  return "";
}

Browser::Browser() {
  std::array<int, 2> commands{};
  std::array<int, 2> answers{};
  if (::pipe2(commands.data(), O_CLOEXEC) != 0 || ::pipe2(answers.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("no pipe");
  pid_ = start(installed(), profile_.path(), commands[0], answers[1]);
  ::close(commands[0]);
  ::close(answers[1]);
  to_ = commands[1];
  from_ = answers[0];
  const json page = call("Target.createTarget", {{"url", "about:blank"}});
  session_ = call("Target.attachToTarget", {{"targetId", page["targetId"]}, {"flatten", true}})["sessionId"];
  for (const char* domain : {"Page", "Runtime", "Log"}) call(std::string(domain) + ".enable", json::object());
}

Browser::~Browser() {
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  ::close(to_);
  ::close(from_);
}

json Browser::receive() {
  std::size_t end = 0;
  while ((end = buffer_.find('\0')) == std::string::npos) {
    pollfd ready{from_, POLLIN, 0};
    std::array<char, 65536> piece;
    const ssize_t got = ::poll(&ready, 1, kAnswerMs) == 1 ? ::read(from_, piece.data(), piece.size()) : 0;
    if (got <= 0) throw std::runtime_error("the browser says nothing any more");
    buffer_.append(piece.data(), static_cast<std::size_t>(got));
  }
  json message = json::parse(buffer_.substr(0, end));
  buffer_.erase(0, end + 1);
  return message;
}

void Browser::hear(const json& message) {
  const std::string method = message.value("method", "");
  if (method == "Page.loadEventFired") loaded_ = true;
  if (method == "Runtime.exceptionThrown" || method == "Log.entryAdded" ||
      method == "Runtime.consoleAPICalled")
    complaints_.push_back(message["params"].dump());
}

json Browser::call(const std::string& method, const json& parameters) {
  json message = {{"id", ++calls_}, {"method", method}, {"params", parameters}};
  if (!session_.empty()) message["sessionId"] = session_;
  const std::string text = message.dump();
  if (::write(to_, text.c_str(), text.size() + 1) < 0) throw std::runtime_error("the browser is gone");
  while (true) {
    const json answer = receive();
    if (answer.value("id", 0) != calls_) {
      hear(answer);
      continue;
    }
    if (answer.contains("error")) throw std::runtime_error(method + ": " + answer["error"].dump());
    return answer["result"];
  }
}

void Browser::open(const std::string& path, const View& view) {
  call("Emulation.setDeviceMetricsOverride",
       {{"width", view.width}, {"height", 900}, {"deviceScaleFactor", 1}, {"mobile", view.width < 600}});
  call("Emulation.setScriptExecutionDisabled", {{"value", !view.scripts}});
  call("Emulation.setEmulatedMedia",
       {{"features", {{{"name", "prefers-color-scheme"}, {"value", view.dark ? "dark" : "light"}}}}});
  loaded_ = false;
  call("Page.navigate", {{"url", "file://" + path}});
  while (!loaded_) hear(receive());
}

json Browser::evaluate(const std::string& expression) {
  const json answer = call("Runtime.evaluate", {{"expression", expression}, {"returnByValue", true}});
  if (answer.contains("exceptionDetails")) throw std::runtime_error(answer["exceptionDetails"].dump());
  return answer["result"].value("value", json());
}

std::string Browser::screenshot() {
  return decoded(
      call("Page.captureScreenshot", {{"format", "png"}, {"captureBeyondViewport", true}})["data"]);
}

}  // namespace lockstep::testing
