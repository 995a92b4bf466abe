// SPDX-License-Identifier: Apache-2.0
#include "house/source.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace lockstep::house {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kLargestText = 1 << 20;

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// Takes a text apart, character by character.
class Splitter {
 public:
  explicit Splitter(const std::string& text) : text_(text) {}

  std::vector<Line> run() {
    lines_.emplace_back();
    while (at_ < text_.size()) step();
    if (!text_.empty() && text_.back() == '\n') lines_.pop_back();
    return std::move(lines_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  Line& line() { return lines_.back(); }

  void next_line(bool directive) {
    lines_.emplace_back();
    line().directive = directive;
  }

  void step() {
    const char c = peek();
    if (c == '\n') {
      const bool goes_on = line().directive && !line().code.empty() && line().code.back() == '\\';
      next_line(goes_on);
      ++at_;
    } else if (c == '/' && peek(1) == '/') {
      at_ += 2;
      while (at_ < text_.size() && peek() != '\n') line().comment += text_[at_++];
      if (line().comment.empty()) line().comment = " ";
    } else if (c == '/' && peek(1) == '*') {
      block_comment();
    } else if (line().directive) {
      line().code += text_[at_++];
    } else if (c == '"') {
      literal_from_quote();
    } else if (c == '\'' && !separates_digits()) {
      quoted('\'');
    } else {
      if (c == '#' && line().code.find_first_not_of(" \t") == std::string::npos) line().directive = true;
      line().code += text_[at_++];
    }
  }

  void block_comment() {
    at_ += 2;
    line().comment += ' ';
    while (at_ < text_.size() && !(peek() == '*' && peek(1) == '/')) {
      if (peek() == '\n') {
        next_line(line().directive);
        line().comment = " ";
      } else {
        line().comment += peek();
      }
      ++at_;
    }
    at_ += 2;
  }

  void literal_from_quote() {
    const std::string& code = line().code;
    const bool raw =
        !code.empty() && code.back() == 'R' && (code.size() < 2 || !is_word(code[code.size() - 2]));
    raw ? raw_string() : quoted('"');
  }

  void quoted(char quote) {
    line().code += quote;
    for (++at_; at_ < text_.size() && peek() != quote && peek() != '\n'; ++at_)
      if (peek() == '\\') ++at_;
    line().code += quote;
    if (peek() == quote) ++at_;
  }

  void raw_string() {
    const std::size_t open = text_.find('(', at_);
    const std::string end = ")" + text_.substr(at_ + 1, open - at_ - 1) + "\"";
    const std::size_t close = std::min(text_.find(end, open), text_.size() - end.size());
    line().code += "\"\"";
    for (; at_ < close + end.size(); ++at_)
      if (peek() == '\n') next_line(false);
  }

  // 1'000: the quote stands inside a number.
  bool separates_digits() const {
    std::size_t begin = at_;
    while (begin > 0 && (is_word(text_[begin - 1]) || text_[begin - 1] == '\'')) --begin;
    return begin < at_ && std::isdigit(static_cast<unsigned char>(text_[begin])) != 0;
  }

  const std::string& text_;
  std::size_t at_ = 0;
  std::vector<Line> lines_;
};

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// What git ignores, and what tests read as data.
bool is_left_out(const fs::directory_entry& entry, const std::string& path) {
  static const std::set<std::string> kIgnored = {".git", ".deps", "build", "runs", ".cache"};
  if (kIgnored.count(path) != 0) return true;
  return entry.is_directory() && path.rfind("tests/", 0) == 0 && ends_with(path, "/data");
}

}  // namespace

bool File::is_header() const {
  return ends_with(path, ".h");
}

bool File::is_ours() const {
  return is_cpp() && (path.rfind("src/", 0) == 0 || path.rfind("include/", 0) == 0);
}

File make_file(const std::string& path, const std::string& text) {
  File file{path, split_lines(text), {}};
  if (ends_with(path, ".h") || ends_with(path, ".cpp")) file.lines = Splitter(text).run();
  return file;
}

Tree load_tree(const std::string& root) {
  Tree tree;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
    const std::string path = it->path().lexically_relative(root).generic_string();
    if (is_left_out(*it, path)) {
      it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file() || it->is_symlink() || it->file_size() > kLargestText) continue;
    std::ifstream stream(it->path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    if (text.find('\0') == std::string::npos) tree.push_back(make_file(path, text));
  }
  std::sort(tree.begin(), tree.end(), [](const File& a, const File& b) { return a.path < b.path; });
  return tree;
}

std::vector<Token> tokens_of(const File& file) {
  std::vector<Token> tokens;
  for (std::size_t n = 0; n < file.lines.size(); ++n) {
    if (file.lines[n].directive) continue;
    const std::string& code = file.lines[n].code;
    for (std::size_t i = 0; i < code.size();) {
      std::size_t length = 1;
      if (is_word(code[i])) {
        while (i + length < code.size() && is_word(code[i + length])) ++length;
      } else if (code.compare(i, 2, "::") == 0 || code.compare(i, 2, "->") == 0) {
        length = 2;
      }
      if (std::isspace(static_cast<unsigned char>(code[i])) == 0)
        tokens.push_back({code.substr(i, length), static_cast<int>(n) + 1});
      i += length;
    }
  }
  return tokens;
}

std::vector<Include> includes_of(const File& file) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<Include> found;
  for (std::size_t n = 0; n < file.lines.size(); ++n) {
    std::smatch match;
    if (file.lines[n].directive && std::regex_search(file.lines[n].code, match, kInclude))
      found.push_back({match[2], static_cast<int>(n) + 1, match[1] == "\""});
  }
  return found;
}

}  // namespace lockstep::house
