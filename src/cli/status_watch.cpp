// SPDX-License-Identifier: Apache-2.0
#include "cli/status_watch.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <thread>

#include "cli/status_text.h"
#include "config/environment.h"
#include "loop/standard_streams.h"
#include "report/terminal_curve.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMostColumns = 160;
constexpr int kCurveRows = 10;

struct Screen {
  int columns = 80;
  int rows = 24;
};

// Asked each time: people pull at windows.
Screen screen() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {std::min<int>(size.ws_col, kMostColumns), size.ws_row};
}

// The first `columns` characters; a line that wraps would be two.
std::string cut(const std::string& line, int columns) {
  int count = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if ((line[i] & 0xc0) != 0x80 && count++ == columns) return line.substr(0, i);
  }
  return line;
}

class Redrawn {
 public:
  void show(const RunView& view) {
    const Screen now = screen();
    std::string text = status_text(view.json());
    const auto lines = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    // One row is the cursor's, one the curve's steps.
    text += terminal_curve(view.pulse().loss, {now.columns - 1, std::min(kCurveRows, now.rows - lines - 2),
                                               terminal_speaks_utf8()});
    std::string all = drawn_ > 0 ? fmt::format("\033[{}A\r\033[J", drawn_) : "";
    std::istringstream stream(text);
    drawn_ = 0;
    for (std::string one; std::getline(stream, one) && drawn_ < now.rows - 1; ++drawn_)
      all += cut(one, now.columns - 1) + "\n";
    print(all);
  }

 private:
  int drawn_ = 0;  // lines above the cursor
};

class Lines {
 public:
  void show(const RunView& view) {
    const Json now = view.json();
    // How long it has been so is no change.
    const std::string state = now["state"];
    const bool moved = now["step"] != step_ || now["attempts"] != attempts_;
    if (state == state_ && !(moved && state == "running")) return;
    state_ = state;
    step_ = now["step"];
    attempts_ = now["attempts"];
    std::string text = fmt::format("attempt {}  step {}{}", attempts_.dump(), step_.dump(),
                                   now["of"].is_null() ? "" : "/" + now["of"].dump());
    if (!now["loss"].is_null()) text += fmt::format("  loss {:#.5g}", now["loss"].get<double>());
    if (!now["eta_s"].is_null()) text += "  left " + length_of(now["eta_s"].get<double>());
    print(text + "  " + state_text(now) + "\n");
  }

 private:
  std::string state_;
  Json step_;
  Json attempts_;
};

template <class View>
void follow(RunView& run, double interval_s, View view) {
  while (true) {
    view.show(run);
    finish_output();
    if (run.standing().is_over()) return;
    std::this_thread::sleep_for(std::chrono::duration<double>(interval_s));
    run.look();
  }
}

}  // namespace

void watch_status(RunView& view, double interval_s) {
  if (::isatty(STDOUT_FILENO) == 1 && terminal_can_redraw())
    follow(view, interval_s, Redrawn());
  else
    follow(view, interval_s, Lines());
}

}  // namespace lockstep
