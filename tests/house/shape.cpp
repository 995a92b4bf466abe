// SPDX-License-Identifier: Apache-2.0
#include "house/shape.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>

namespace lockstep::house {
namespace {

using Head = std::vector<Token>;

bool is_identifier(const std::string& text) {
  return std::isalpha(static_cast<unsigned char>(text[0])) != 0 || text[0] == '_';
}

bool opens(const std::string& text) {
  return text == "(" || text == "[" || text == "{";
}

bool closes(const std::string& text) {
  return text == ")" || text == "]" || text == "}";
}

bool starts_angle(const Head& head, std::size_t i) {
  return head[i].text == "<" && i > 0 && is_identifier(head[i - 1].text) && head[i - 1].text != "operator";
}

// The position after the group that opens at `i`.
std::size_t after_group(const Head& head, std::size_t i) {
  int depth = 0;
  for (; i < head.size(); ++i) {
    if (opens(head[i].text)) ++depth;
    if (closes(head[i].text) && --depth == 0) return i + 1;
  }
  return head.size();
}

std::size_t after_angles(const Head& head, std::size_t i) {
  int depth = 0;
  while (i < head.size()) {
    if (opens(head[i].text)) {
      i = after_group(head, i);
      continue;
    }
    if (head[i].text == "<") ++depth;
    if (head[i].text == ">" && --depth == 0) return i + 1;
    ++i;
  }
  return head.size();
}

// Where a declaration begins behind template<…>, attributes and access labels.
std::size_t begin_of(const Head& head) {
  std::size_t i = 0;
  while (i < head.size()) {
    if (head[i].text == "template" && i + 1 < head.size() && head[i + 1].text == "<")
      i = after_angles(head, i + 1);
    else if (head[i].text == "[")
      i = after_group(head, i);
    else
      break;
  }
  return i;
}

// The first `(` that can open a parameter list; `=` before it means a variable.
std::optional<std::size_t> parameter_list(const Head& head) {
  static const std::set<std::string> kNotNames = {"requires", "decltype", "noexcept", "alignas", "explicit"};
  for (std::size_t i = begin_of(head); i < head.size();) {
    const std::string& text = head[i].text;
    const std::string before = i > 0 ? head[i - 1].text : "";
    if (text == "=" && before != "operator" && (i < 2 || head[i - 2].text != "operator")) return std::nullopt;
    if (text == "{") return std::nullopt;
    if (text == "(" && before != "operator" && kNotNames.count(before) == 0) return i;
    if (opens(text))
      i = after_group(head, i);
    else if (starts_angle(head, i))
      i = after_angles(head, i);
    else
      ++i;
  }
  return std::nullopt;
}

std::string name_before(const Head& head, std::size_t list) {
  const std::size_t near = list > 4 ? list - 4 : 0;  // operator<=>( has three tokens between
  std::string name;
  for (std::size_t i = near; i < list; ++i)
    if (!name.empty() || head[i].text == "operator") name += head[i].text;
  if (!name.empty()) return name;
  for (std::size_t i = list; i-- > 0;) {
    const std::string& text = head[i].text;
    const bool joins = text == "::" || text == "~";
    if (!joins && (!is_identifier(text) || (!name.empty() && name[0] != ':'))) break;
    name.insert(0, text);
  }
  return name;
}

int commas_in(const Head& head, std::size_t begin, std::size_t end) {
  int commas = 0;
  for (std::size_t i = begin; i < end;) {
    if (head[i].text == ",") ++commas;
    if (opens(head[i].text))
      i = after_group(head, i);
    else if (starts_angle(head, i))
      i = after_angles(head, i);
    else
      ++i;
  }
  return commas;
}

int parameters_in(const Head& head, std::size_t list) {
  const std::size_t end = after_group(head, list) - 1;
  const bool none = end == list + 1 || (end == list + 2 && head[list + 1].text == "void");
  return none ? 0 : commas_in(head, list + 1, end) + 1;
}

enum class Brace { kNamespace, kClass, kEnum, kFunction, kOther };

// `Trainer(…) : parts_{…}, next_(…) {`: the last brace opens the body, the others initialise a member.
bool initialises_member(const Head& head, std::size_t list) {
  for (std::size_t i = after_group(head, list); i < head.size();) {
    if (head[i].text == ":") return is_identifier(head.back().text) || head.back().text == ">";
    i = opens(head[i].text) ? after_group(head, i) : i + 1;
  }
  return false;
}

Brace kind_of(const Head& head) {
  const std::size_t begin = begin_of(head);
  if (begin >= head.size()) return Brace::kOther;
  const auto word = [&](std::size_t i) {
    return begin + i < head.size() ? head[begin + i].text : std::string();
  };
  if (word(0) == "namespace" || (word(0) == "inline" && word(1) == "namespace")) return Brace::kNamespace;
  if (word(0) == "extern" && word(1) == "\"") return Brace::kNamespace;
  const auto list = parameter_list(head);
  if (!list) {
    const std::string& key = word(0) == "typedef" ? word(1) : word(0);
    if (key == "enum") return Brace::kEnum;
    return key == "class" || key == "struct" || key == "union" ? Brace::kClass : Brace::kOther;
  }
  return initialises_member(head, *list) ? Brace::kOther : Brace::kFunction;
}

class Reader {
 public:
  explicit Reader(const File& file) : tokens_(tokens_of(file)) {}

  Shape run() {
    scan(nullptr);
    if (at_ < tokens_.size()) shape_.balanced = false;
    return std::move(shape_);
  }

 private:
  // Reads declarations up to the brace that closes the scope; `owner` is the class they belong to.
  void scan(Class* owner) {
    Head head;
    int depth = 0;
    for (; at_ < tokens_.size(); ++at_) {
      const Token& token = tokens_[at_];
      if (token.text == "}") return;
      if (token.text == "{") {
        depth > 0 ? skip_braces(head) : open_brace(head);
      } else if (token.text == ";" && depth == 0) {
        declare(head, owner);
        head.clear();
      } else if (token.text == ":" && head.size() == 1 && is_access(head[0].text)) {
        head.clear();
      } else {
        head.push_back(token);
        depth += (opens(token.text) ? 1 : 0) - (closes(token.text) ? 1 : 0);
      }
    }
    if (owner != nullptr) shape_.balanced = false;
  }

  static bool is_access(const std::string& text) {
    return text == "public" || text == "private" || text == "protected";
  }

  // template <> struct Words<Mode> {: of a name that is defined elsewhere.
  static bool is_specialisation(const Head& head) {
    return head.size() > 2 && head[0].text == "template" && head[1].text == "<" && head[2].text == ">";
  }

  void open_brace(Head& head) {
    switch (kind_of(head)) {
      case Brace::kNamespace:
        enter(nullptr, namespace_name(head));
        break;
      case Brace::kClass: {
        Class found{class_name(head), head[begin_of(head)].line, 0, 0};
        if (!is_specialisation(head))
          shape_.types.push_back({found.name, scope_ + owner_in(head), found.line});
        enter(&found, found.name);
        if (at_ < tokens_.size()) found.lines = tokens_[at_].line - found.line + 1;
        shape_.classes.push_back(found);
        break;
      }
      case Brace::kEnum:
        shape_.types.push_back({class_name(head), scope_, head[0].line});
        skip_braces(head);
        return;
      case Brace::kFunction:
        define(head);
        break;
      case Brace::kOther:
        skip_braces(head);
        return;
    }
    head.clear();
  }

  void enter(Class* owner, const std::string& name) {
    const std::size_t outside = scope_.size();
    scope_ += name + "::";
    ++at_;
    scan(owner);
    scope_.resize(outside);
    if (at_ >= tokens_.size()) shape_.balanced = false;
  }

  // Leaves at_ at the closing brace.
  void skip_to_partner() {
    int depth = 0;
    for (; at_ < tokens_.size(); ++at_) {
      if (tokens_[at_].text == "{") ++depth;
      if (tokens_[at_].text == "}" && --depth == 0) return;
    }
    shape_.balanced = false;
  }

  // An initialiser or a lambda: its place is kept in the head, its content is not.
  void skip_braces(Head& head) {
    head.push_back(tokens_[at_]);
    skip_to_partner();
    if (at_ < tokens_.size()) head.push_back(tokens_[at_]);
  }

  void define(const Head& head) {
    const std::size_t list = *parameter_list(head);
    Function found{name_before(head, list), scope_, head[0].line, 0, parameters_in(head, list)};
    skip_to_partner();
    if (at_ < tokens_.size()) found.lines = tokens_[at_].line - found.line + 1;
    shape_.functions.push_back(found);
  }

  void declare(const Head& head, Class* owner) {
    static const std::set<std::string> kNoFunctions = {"using", "typedef", "static_assert"};
    const std::size_t begin = begin_of(head);
    if (begin >= head.size()) return;
    if (head[begin].text == "using" && begin + 2 < head.size() && head[begin + 2].text == "=")
      shape_.types.push_back({head[begin + 1].text, scope_, head[0].line});
    if (kNoFunctions.count(head[begin].text) != 0) return;
    if (const auto list = parameter_list(head))
      shape_.functions.push_back(
          {name_before(head, *list), scope_, head[0].line, 0, parameters_in(head, *list)});
    else if (owner != nullptr)
      owner->bools += bools_in(head, begin);
  }

  static int bools_in(const Head& head, std::size_t begin) {
    const auto word = [&](std::size_t i) {
      return begin + i < head.size() ? head[begin + i].text : std::string();
    };
    if (word(0) == "mutable") ++begin;
    const bool atomic =
        word(0) == "std" && (word(2) == "atomic_bool" || (word(2) == "atomic" && word(4) == "bool"));
    return word(0) == "bool" || atomic ? commas_in(head, begin, head.size()) + 1 : 0;
  }

  static std::string class_name(const Head& head) {
    std::string name;
    for (std::size_t i = begin_of(head); i < head.size() && head[i].text != ":"; ++i)
      if (is_identifier(head[i].text) && head[i].text != "final") name = head[i].text;
    return name;
  }

  // A:: of `struct A::B {`.
  static std::string owner_in(const Head& head) {
    std::string owner;
    for (std::size_t i = begin_of(head); i + 1 < head.size() && head[i].text != ":"; ++i)
      if (head[i + 1].text == "::") owner += head[i].text + "::";
    return owner;
  }

  static std::string namespace_name(const Head& head) {
    std::string name;
    for (const Token& token : head)
      if (token.text != "namespace" && token.text != "inline") name += token.text;
    return name.empty() ? "(unnamed)" : name;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::string scope_;
  Shape shape_;
};

}  // namespace

Shape shape_of(const File& file) {
  return Reader(file).run();
}

}  // namespace lockstep::house
