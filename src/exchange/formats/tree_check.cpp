// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/tree_check.h"

#include <algorithm>
#include <unordered_map>

#include "untrusted/refusal.h"

namespace lockstep {

namespace {

constexpr int kMaxDepth = 64;
constexpr std::uint64_t kMaxNodes = 4'000'000;

struct Extent {
  std::uint64_t nodes = 1;
  int height = 1;
};

class Walk {
 public:
  explicit Walk(const std::string& origin) : origin_(origin) {}

  // Each node is walked once, however often it hangs in the tree: a chain of forty lists, each holding the
  // one before twice, costs forty steps here, and is refused.
  Extent measure(const PyValue& node, int depth) {
    if (depth > kMaxDepth)
      refuse_bytes(origin_, "values are nested deeper than " + std::to_string(kMaxDepth));
    if (node.items.empty()) return {};
    const auto [place, fresh] = known_.try_emplace(&node, Extent{0, 0});
    if (!fresh) {
      if (place->second.nodes == 0) refuse_bytes(origin_, "a value holds itself");
      if (depth + place->second.height > kMaxDepth + 1)
        refuse_bytes(origin_, "values are nested deeper than " + std::to_string(kMaxDepth));
      return place->second;
    }
    if (node.is_dict()) refuse_double_keys(node);
    Extent all;
    for (const PyValue* item : node.items) {
      const Extent part = measure(*item, depth + 1);
      all.nodes += part.nodes;
      all.height = std::max(all.height, part.height + 1);
      if (all.nodes > kMaxNodes)
        refuse_bytes(origin_, "shared values stand for a tree of more than " + std::to_string(kMaxNodes));
    }
    known_[&node] = all;
    return all;
  }

 private:
  void refuse_double_keys(const PyValue& dict) const {
    std::vector<std::string_view> texts;
    std::vector<std::int64_t> numbers;
    for (std::size_t i = 0; i < dict.items.size(); i += 2) {
      if (dict.items[i]->is_text()) texts.push_back(dict.items[i]->text);
      if (dict.items[i]->is_int()) numbers.push_back(dict.items[i]->integer);
    }
    std::sort(texts.begin(), texts.end());
    std::sort(numbers.begin(), numbers.end());
    const auto text = std::adjacent_find(texts.begin(), texts.end());
    if (text != texts.end()) refuse_bytes(origin_, "a dict has a key twice: " + std::string(*text));
    const auto number = std::adjacent_find(numbers.begin(), numbers.end());
    if (number != numbers.end()) refuse_bytes(origin_, "a dict has a key twice: " + std::to_string(*number));
  }

  const std::string& origin_;
  std::unordered_map<const PyValue*, Extent> known_;
};

}  // namespace

void check_tree(const PyValue& root, const std::string& origin) {
  Walk(origin).measure(root, 1);
}

}  // namespace lockstep
