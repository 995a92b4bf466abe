// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace lockstep::house {

// One line of a C++ file, taken apart. Literals are emptied in `code`; a directive is kept as it stands.
struct Line {
  std::string code;
  std::string comment;  // without the slashes and stars
  bool directive = false;
};

struct File {
  std::string path;               // relative to the root, with '/'
  std::vector<std::string> text;  // its lines
  std::vector<Line> lines;        // the same, of C++ files only

  bool is_cpp() const { return !lines.empty(); }
  bool is_header() const;
  // Under src or include: what the budgets are for.
  bool is_ours() const;
};

using Tree = std::vector<File>;

// A file from a text; .h and .cpp are taken apart.
File make_file(const std::string& path, const std::string& text);

// Every text file below `root` but what git ignores and what tests keep as data.
Tree load_tree(const std::string& root);

struct Token {
  std::string text;
  int line = 0;  // from 1
};

// Identifiers, numbers, "::" and "->"; every other character is a token of its own. Without directives.
std::vector<Token> tokens_of(const File& file);

struct Include {
  std::string name;
  int line = 0;
  bool quoted = false;
};

std::vector<Include> includes_of(const File& file);

}  // namespace lockstep::house
