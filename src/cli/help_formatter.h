// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include <sstream>
#include <string>

namespace lockstep {

// A command's description is "Examples:\n…\n\nwhat it does": its own help opens with the examples, and the
// list of commands shows only what it does.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_subcommand(const CLI::App* command) const override {
    const std::string text = command->get_description();
    const auto examples_end = text.find("\n\n");
    std::stringstream line;
    CLI::detail::format_help(line, command->get_name(),
                             examples_end == std::string::npos ? text : text.substr(examples_end + 2),
                             column_width_);
    return line.str();
  }
};

}  // namespace lockstep
