// SPDX-License-Identifier: Apache-2.0
#include "config/settings.h"

#include <algorithm>

#include "config/secrets.h"
#include "config/yaml_text.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

constexpr std::size_t kLongestShown = 80;
// Each dot of a key may become a level of a free map, so its length bounds the depth of what is built.
constexpr std::size_t kLongestKey = 256;

struct Collector {
  const Schema& schema;
  const std::shared_ptr<const Origin>& origin;
  Settings& settings;

  [[noreturn]] void refuse_key(Position at, const std::string& key, const std::string& what,
                               const std::string& remedy) const {
    ConfigNode node;
    node.at = at;
    refuse({node, at, origin}, key, what, remedy);
  }

  [[noreturn]] void refuse_unknown(Position at, const std::string& key) const {
    const std::string nearest = schema.nearest(key);
    refuse_key(at, key, "unknown key",
               nearest.empty() ? "lockstep config schema lists all keys" : "Did you mean " + nearest + "?");
  }

  void take(const std::string& key, Position key_at, const ConfigNode& node) const {
    if (schema.find(key) != nullptr) {
      settings[key] = {node, key_at, origin};
    } else if (!schema.is_section(key)) {
      if (!fault_requested("guard.skip_unknown")) refuse_unknown(key_at, key);
    } else if (node.kind == ConfigNode::Kind::kMap) {
      take_members(key + ".", node);
    } else if (node.kind == ConfigNode::Kind::kNull) {
      // The default of a section is that of all its keys.
      std::erase_if(settings, [&](const auto& entry) { return entry.first.starts_with(key + "."); });
    } else {
      refuse_key(node.at, key, "is a section, with keys of its own below it", "Write " + key + ": {…}");
    }
  }

  void take_members(const std::string& prefix, const ConfigNode& map) const {
    for (std::size_t i = 0; i < map.keys.size(); ++i) {
      const std::string& name = map.keys[i];
      // "optim.lr: 1" beside "optim: {lr: 2}" would be a duplicate that no parser sees.
      if (name.find('.') != std::string::npos)
        refuse_key(map.key_at[i], prefix + name, "a dot in a key",
                   "In a file, write sections nested; dotted keys are for the command line");
      take(prefix + name, map.key_at[i], map.items[i]);
    }
  }
};

// Sets member `path` (a.b.c) of the free map `map` to `value`, making the maps between.
void set_member(ConfigNode& map, const std::string& path, const ConfigNode& value) {
  if (map.kind != ConfigNode::Kind::kMap) {
    map = ConfigNode{};
    map.kind = ConfigNode::Kind::kMap;
  }
  const auto dot = path.find('.');
  const std::string name = path.substr(0, dot);
  const auto found = std::find(map.keys.begin(), map.keys.end(), name) - map.keys.begin();
  if (static_cast<std::size_t>(found) == map.keys.size()) {
    map.keys.push_back(name);
    map.key_at.push_back(value.at);
    map.items.emplace_back();
  }
  if (dot == std::string::npos)
    map.items[found] = value;
  else
    set_member(map.items[found], path.substr(dot + 1), value);
}

// Takes member `path` out again, which is what a free map has by default.
void drop_member(ConfigNode& map, const std::string& path) {
  if (map.kind != ConfigNode::Kind::kMap) return;
  const auto dot = path.find('.');
  const auto found = std::find(map.keys.begin(), map.keys.end(), path.substr(0, dot)) - map.keys.begin();
  if (static_cast<std::size_t>(found) == map.keys.size()) return;
  if (dot != std::string::npos) return drop_member(map.items[found], path.substr(dot + 1));
  map.keys.erase(map.keys.begin() + found);
  map.key_at.erase(map.key_at.begin() + found);
  map.items.erase(map.items.begin() + found);
}

const Row* free_map_above(const Schema& schema, const std::string& key) {
  for (auto dot = key.rfind('.'); dot != std::string::npos && dot > 0; dot = key.rfind('.', dot - 1)) {
    const Row* row = schema.find(key.substr(0, dot));
    if (row != nullptr && (row->kind == KeyKind::kMap || row->kind == KeyKind::kJson)) return row;
  }
  return nullptr;
}

std::string shown(const std::string& key, const std::string& text) {
  std::string safe = is_secret(key) ? key + "=" + kMasked : text;
  // A place is one line, whatever came in.
  for (auto at = safe.find_first_of("\n\r"); at != std::string::npos; at = safe.find_first_of("\n\r"))
    safe.replace(at, 1, "\\n");
  return "override " + (safe.size() > kLongestShown ? safe.substr(0, kLongestShown) + "…" : safe);
}

// What YAML would read as something else than it looks, because it is one line of a command.
void refuse_surprises(const std::string& value, const Origin& origin) {
  const auto fail = [&](const std::string& what, const std::string& remedy) {
    throw Fault(ExitCode::kConfig, place(origin, {}) + ": " + what, remedy);
  };
  if (value.find_first_of("\n\r") != std::string::npos && !fault_requested("guard.skip_line_break"))
    fail("a line break in a value", "One override sets one key");
  if (value.find_first_not_of(' ') == std::string::npos) fail("no value", "key=null takes the default");
  const char first = value[value.find_first_not_of(' ')];
  const bool bracketed = first == '"' || first == '\'' || first == '[' || first == '{';
  if (first == '#' || (!bracketed && value.find(" #") != std::string::npos))
    fail("'#' starts a comment", "Put the value in quotes, inside those of the shell");
}

}  // namespace

void collect_file(const ConfigNode& root, const std::shared_ptr<const Origin>& origin, const Schema& schema,
                  Settings& settings) {
  if (root.kind == ConfigNode::Kind::kNull) return;
  if (root.kind != ConfigNode::Kind::kMap)
    throw Fault(ExitCode::kConfig,
                place(*origin, root.at) + ": a config is a map of sections, not a " +
                    (root.kind == ConfigNode::Kind::kList ? "list" : "single value"),
                "lockstep config init prints one to start from");
  Collector{schema, origin, settings}.take_members("", root);
}

void collect_override(const std::string& text, const std::string& directory, const Schema& schema,
                      Settings& settings) {
  const auto equals = text.find('=');
  const std::string key = text.substr(0, equals);
  const auto origin = std::make_shared<const Origin>(Origin{shown(key, text), directory, false});
  if (equals == std::string::npos || key.empty())
    throw Fault(ExitCode::kConfig, place(*origin, {}) + ": not of the form key=value", "As in optim.lr=1e-3");
  if (key.size() > kLongestKey)
    throw Fault(ExitCode::kConfig, place(*origin, {}) + ": a key of " + std::to_string(key.size()) + " bytes",
                "lockstep config schema lists all keys");
  const std::string value = text.substr(equals + 1);
  refuse_surprises(value, *origin);
  const ConfigNode node = parse_yaml(value, *origin);

  // A member of a free map is in no table, so the map above it takes it in whole.
  const Collector collector{schema, origin, settings};
  if (const Row* map = schema.find(key) == nullptr ? free_map_above(schema, key) : nullptr) {
    const std::string member = key.substr(map->key.size() + 1);
    if (node.kind == ConfigNode::Kind::kNull) {
      if (settings.contains(map->key)) drop_member(settings[map->key].node, member);
      return;
    }
    Setting& setting = settings[map->key];
    setting.origin = origin;
    set_member(setting.node, member, node);
  } else {
    collector.take(key, {}, node);
  }
}

}  // namespace lockstep
