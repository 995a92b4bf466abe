// SPDX-License-Identifier: Apache-2.0
#include "untrusted/bounded_json.h"

#include <algorithm>
#include <vector>

#include "untrusted/refusal.h"

namespace lockstep {

namespace {

using Json = nlohmann::ordered_json;

// Builds the tree from the parser's events. The library's own builder looks at all members of an object for
// each one that it adds, and with a callback once more for each one that ends: with a hundred thousand
// tensors that is minutes.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(const std::string& origin, const JsonLimits& limits) : origin_(origin), limits_(limits) {}

  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { refuse_bytes(origin_, "not JSON"); }
  bool start_object(std::size_t) override { return enter(Json::object()); }
  bool start_array(std::size_t) override { return enter(Json::array()); }
  bool end_object() override {
    refuse_double_names(members_of(open_.back().value));
    return leave();
  }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    open_.back().name = std::move(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    refuse_bytes(origin_, std::string("not JSON: ") + error.what());
  }

 private:
  struct Open {
    Json value;
    std::string name;  // of the member that comes next
  };
  // The members as what they are kept in, which adds without a search.
  using Members = Json::object_t::Container;

  static Members& members_of(Json& object) { return *object.get_ptr<Json::object_t*>(); }

  bool add(Json value) {
    if (++values_ > limits_.values)
      refuse_bytes(origin_, "more than " + std::to_string(limits_.values) + " values in its JSON");
    if (open_.empty())
      root_ = std::move(value);
    else if (open_.back().value.is_object())
      members_of(open_.back().value).emplace_back(std::move(open_.back().name), std::move(value));
    else
      open_.back().value.get_ptr<Json::array_t*>()->push_back(std::move(value));
    return true;
  }

  bool enter(Json value) {
    if (open_.size() == limits_.depth)
      refuse_bytes(origin_, "its JSON is nested deeper than " + std::to_string(limits_.depth));
    open_.push_back({std::move(value), {}});
    return true;
  }

  bool leave() {
    Json value = std::move(open_.back().value);
    open_.pop_back();
    return add(std::move(value));
  }

  void refuse_double_names(const Members& members) const {
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const auto& [name, value] : members) names.emplace_back(name);
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    if (twice != names.end()) refuse_bytes(origin_, "a name is there twice: " + std::string(*twice));
  }

  const std::string& origin_;
  const JsonLimits& limits_;
  std::vector<Open> open_;
  std::size_t values_ = 0;
  Json root_;
};

}  // namespace

Json parse_bounded_json(const std::string& text, const std::string& origin, const JsonLimits& limits) {
  Builder builder(origin, limits);
  Json::sax_parse(text, &builder);
  return builder.take();
}

}  // namespace lockstep
