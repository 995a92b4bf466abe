// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace lockstep {

// The lines that are added to a file, as they come. The file may come later too. Local.
class JournalTail {
 public:
  explicit JournalTail(std::string path) : path_(std::move(path)) {}

  // Gives `use` each whole line that is new. Was there any?
  bool read(const std::function<void(const std::string&)>& use);

 private:
  std::string path_;
  off_t done_ = 0;
  std::string begun_;  // the piece of a line whose end is not there
};

}  // namespace lockstep
