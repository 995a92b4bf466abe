// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <map>
#include <regex>
#include <set>

#include "house/rules.h"
#include "house/shape.h"

namespace lockstep::house {
namespace {

// One definition or declaration, and the file that has it.
struct Place {
  std::string file;
  int line = 1;
  int parameters = 0;
};
using Places = std::map<std::string, std::vector<Place>>;

bool is_private(const std::string& scope) {
  return scope.find("(unnamed)") != std::string::npos;
}

// comm/world of include/lockstep/comm/world.h and of src/comm/world.cpp; x of x_inl.h.
std::string stem_of(const std::string& path) {
  static const std::regex kPath("(?:src|include/lockstep)/(.*?)(?:_inl)?\\.(?:h|cpp)");
  std::smatch match;
  return std::regex_match(path, match, kPath) ? match[1].str() : path;
}

// A type of a namespace, not of a class or of one file: its scope holds no class's name (they are CamelCase).
bool is_shared(const Type& type) {
  return !is_private(type.scope) && std::none_of(type.scope.begin(), type.scope.end(), [](char letter) {
    return std::isupper(static_cast<unsigned char>(letter)) != 0;
  });
}

// data/formats/builtin is below data/registry: a folder that is plugged in from above.
bool is_below(const std::string& source, const std::string& header) {
  return source.rfind(header.substr(0, header.rfind('/') + 1), 0) == 0 &&
         std::count(source.begin(), source.end(), '/') > std::count(header.begin(), header.end(), '/');
}

}  // namespace

Violations a_name_is_defined_once(const Tree& tree) {
  Places shared;  // by name alone: lockstep::a::Judge and lockstep::Judge are two things of one name
  Places inner;   // of a class, or of one file
  for (const File& file : tree) {
    if (!file.is_ours()) continue;
    for (const Type& one : shape_of(file).types)
      (is_shared(one) ? shared : inner)[one.name].push_back({file.path, one.line, 0});
  }
  Violations found;
  for (const auto& [name, places] : shared) {
    std::vector<Place> all = places;
    if (const auto more = inner.find(name); more != inner.end())
      all.insert(all.end(), more->second.begin(), more->second.end());
    for (std::size_t i = 1; i < all.size(); ++i)
      found.push_back({all[i].file, all[i].line,
                       name + " is another thing in " + all[0].file + ":" + std::to_string(all[0].line)});
  }
  return found;
}

Violations functions_are_defined_where_declared(const Tree& tree) {
  Places declared;
  Places defined;
  std::set<std::string> headers;
  for (const File& file : tree) {
    if (!file.is_ours()) continue;
    if (file.is_header()) headers.insert(stem_of(file.path));
    for (const Function& one : shape_of(file).functions) {
      if (is_private(one.scope)) continue;
      if (one.lines > 0) defined[one.scope + one.name].push_back({file.path, one.line, one.parameters});
      if (one.lines == 0 && file.is_header())
        declared[one.scope + one.name].push_back({file.path, one.line, one.parameters});
    }
  }
  Violations found;
  for (const auto& [name, places] : declared)
    for (const Place& header : places) {
      const Place* elsewhere = nullptr;
      bool here = false;
      for (const Place& place : defined[name]) {
        if (place.parameters != header.parameters) continue;
        const std::string source = stem_of(place.file);
        here = here || source == stem_of(header.file) || headers.count(source) == 0 ||
               is_below(source, stem_of(header.file));
        elsewhere = &place;
      }
      if (!here && elsewhere != nullptr)
        found.push_back({header.file, header.line,
                         name + " is defined in " + elsewhere->file + ", whose header is another"});
    }
  return found;
}

}  // namespace lockstep::house
