// SPDX-License-Identifier: Apache-2.0
#include "config/yaml_text.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "config/text_guard.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

// Note [events, not nodes]: yaml-cpp's Node shares what an alias names, so a nine-level bomb is small until
// somebody walks it, and a self-reference never ends. The tree is built from parser events instead, and the
// first anchor or alias ends it.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const Origin& origin) : origin_(origin) {}

  ConfigNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) fail(position_of(mark), "a second document", "A config is one YAML document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    ConfigNode node;
    node.at = position_of(mark);
    if (awaits_key()) fail(node.at, "a key is missing", "Write key: value");
    add(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    if (fault_requested("guard.skip_alias")) return add(ConfigNode{});
    fail(position_of(mark), "an alias (*name)", "Aliases are not part of a config: write the value out");
  }

  // An anchor without an alias would be harmless, but it can only mean that somebody expects aliases to work.
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    if (fault_requested("guard.skip_alias")) return;
    fail(position_of(mark), "an anchor (&" + printable(name) + ")",
         "Anchors are not part of a config: write the value out where it is used");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    const Position at = position_of(mark);
    refuse_tag(at, tag);
    if (awaits_key()) return add_key(at, value);
    ConfigNode node;
    node.kind = ConfigNode::Kind::kScalar;
    node.at = at;
    node.text = value;
    node.quoted = tag == "!";
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(ConfigNode::Kind::kList, mark, tag);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(ConfigNode::Kind::kMap, mark, tag);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    ConfigNode node;
    std::set<std::string> seen;
  };

  static Position position_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

  [[noreturn]] void fail(Position at, const std::string& what, const std::string& remedy) const {
    throw Fault(ExitCode::kConfig, place(origin_, at) + ": " + what, remedy);
  }

  // A tag would change what a value is behind the back of the table ("?" and "!" are yaml-cpp's own, for
  // plain and quoted).
  void refuse_tag(Position at, const std::string& tag) const {
    if (!tag.empty() && tag != "?" && tag != "!")
      fail(at, "a tag (" + printable(tag) + ")", "Tags are not part of a config: write the plain value");
  }

  // Events tell a key from a value only by their turn.
  bool awaits_key() const {
    if (open_.empty()) return false;
    const ConfigNode& top = open_.back().node;
    return top.kind == ConfigNode::Kind::kMap && top.keys.size() == top.items.size();
  }

  void add_key(Position at, const std::string& key) {
    if (key == "<<") fail(at, "a merge key (<<)", "Merge keys are not part of a config: write the keys out");
    Open& top = open_.back();
    // yaml-cpp's own trees let the first of two win without a word.
    if (!top.seen.insert(key).second && !fault_requested("guard.skip_duplicate")) {
      const auto first = std::find(top.node.keys.begin(), top.node.keys.end(), key) - top.node.keys.begin();
      fail(at, printable(key) + ": duplicate key",
           "It was first given in line " + std::to_string(top.node.key_at[first].line));
    }
    top.node.keys.push_back(key);
    top.node.key_at.push_back(at);
  }

  void add(ConfigNode node) {
    if (++nodes_ > kMaxConfigNodes)
      fail(node.at, "more than " + std::to_string(kMaxConfigNodes) + " values",
           "Put long lists into a file of their own");
    if (open_.empty())
      root_ = std::move(node);
    else
      open_.back().node.items.push_back(std::move(node));
  }

  void open(ConfigNode::Kind kind, const YAML::Mark& mark, const std::string& tag) {
    const Position at = position_of(mark);
    refuse_tag(at, tag);
    if (awaits_key())
      fail(at, "a list or map where a key should be", "Keys are plain words. Is a bracket left open?");
    // What reads the tree later recurses; this is what keeps that off the end of the stack.
    if (open_.size() >= static_cast<std::size_t>(kMaxConfigDepth) && !fault_requested("guard.skip_depth"))
      fail(at, "nested more than " + std::to_string(kMaxConfigDepth) + " deep", "Write it flatter");
    ConfigNode node;
    node.kind = kind;
    node.at = at;
    open_.push_back({std::move(node), {}});
  }

  void close() {
    ConfigNode node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }

  const Origin& origin_;
  ConfigNode root_;
  std::vector<Open> open_;
  int documents_ = 0;
  int nodes_ = 0;
};

// yaml-cpp calls its own nesting limit "bad file", of all things.
std::string reason(const YAML::Exception& error) {
  return error.msg == "bad file" ? "nested too deep" : "not YAML: " + error.msg;
}

}  // namespace

ConfigNode parse_yaml(const std::string& text, const Origin& origin) {
  guard_text(text, origin);
  std::istringstream stream(text);
  TreeBuilder builder(origin);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    throw Fault(ExitCode::kConfig,
                place(origin, {error.mark.line + 1, error.mark.column + 1}) + ": " + reason(error),
                "Check indentation and brackets there");
  }
  return builder.take_root();
}

}  // namespace lockstep
