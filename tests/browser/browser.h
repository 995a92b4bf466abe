// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace lockstep::testing {

// A headless Chromium, spoken to over its debugging pipe. One page.
class Browser {
 public:
  // Is there one on this machine? Empty: no.
  static std::string installed();

  Browser();
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  struct View {
    int width = 1280;
    bool scripts = true;
    bool dark = false;
  };
  // Opens the file and waits until it is loaded.
  void open(const std::string& path, const View& view);
  // What a JavaScript expression gives there.
  nlohmann::json evaluate(const std::string& expression);
  // A PNG of the whole page.
  std::string screenshot();
  // What the page said on its console, failed at or could not load, since the start.
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  nlohmann::json call(const std::string& method, const nlohmann::json& parameters);
  nlohmann::json receive();
  void hear(const nlohmann::json& message);

  TempDir profile_;
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  int calls_ = 0;
  bool loaded_ = false;
  std::string session_;
  std::string buffer_;
  std::vector<std::string> complaints_;
};

}  // namespace lockstep::testing
