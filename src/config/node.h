// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace lockstep {

// Counted from 1, as editors do; 0: not known.
struct Position {
  int line = 0;
  int column = 0;
};

// Where a piece of config text came from.
struct Origin {
  std::string name;       // the file as the user named it, or "override optim.lr=3"
  std::string directory;  // what relative paths in it start from
  bool is_file = true;    // positions are shown for files only
};

// "run.yaml:14:3", or the name alone.
std::string place(const Origin& origin, Position at);

// One parsed value, free of aliases, tags and duplicate keys.
struct ConfigNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  Position at;
  std::string text;               // scalar
  bool quoted = false;            // "3" is text, 3 is a number
  std::vector<std::string> keys;  // map: keys[i] names items[i] …
  std::vector<Position> key_at;   // … and stands here
  std::vector<ConfigNode> items;
};

// A value given for a key, and by whom.
struct Setting {
  ConfigNode node;
  Position key_at;
  std::shared_ptr<const Origin> origin;
};

// Local. Throws Fault (78) that reads "run.yaml:14:3: optim.lr: <what>. <remedy>".
[[noreturn]] void refuse(const Setting& setting, const std::string& key, const std::string& what,
                         const std::string& remedy = "");

}  // namespace lockstep
