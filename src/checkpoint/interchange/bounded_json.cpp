// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/interchange/bounded_json.h"

#include <set>
#include <vector>

#include "checkpoint/interchange/refusal.h"

namespace lockstep {

namespace {

using Json = nlohmann::json;

// Looks at the text before it becomes a tree. Not as a callback of the parser: with one, it walks through all
// members of an object each time one of them ends, and a hundred thousand tensors take a minute.
class Watch : public nlohmann::json_sax<Json> {
 public:
  Watch(const std::string& origin, std::size_t max_depth) : origin_(origin), max_depth_(max_depth) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (!names_.back().insert(name).second) refuse_file(origin_, "a name is there twice: " + name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    refuse_file(origin_, std::string("not JSON: ") + error.what());
  }

 private:
  bool enter() {
    if (names_.size() == max_depth_)
      refuse_file(origin_, "its JSON is nested deeper than " + std::to_string(max_depth_));
    names_.emplace_back();
    return true;
  }
  bool leave() {
    names_.pop_back();
    return true;
  }

  const std::string& origin_;
  std::size_t max_depth_;
  std::vector<std::set<std::string>> names_;  // of the objects that are open; none for arrays
};

}  // namespace

Json parse_bounded_json(const std::string& text, const std::string& origin, std::size_t max_depth) {
  Watch watch(origin, max_depth);
  Json::sax_parse(text, &watch);
  return Json::parse(text);
}

}  // namespace lockstep
