// SPDX-License-Identifier: Apache-2.0
#include "exchange/weight_names.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {

namespace {

constexpr std::array<std::string_view, 3> kWrappers = {"module.", "_orig_mod.", "model."};
// Wrappers of single layers: no one gives a layer such a name.
constexpr std::array<std::string_view, 3> kMarks = {"_orig_mod.", "_fsdp_wrapped_module.",
                                                    "_checkpoint_wrapped_module."};

class Mapping {
 public:
  Mapping(std::vector<std::string> names, const std::set<std::string>& wanted)
      : given_(names), out_{std::move(names), {}}, wanted_(wanted) {}

  void take_off_wrappers() {
    for (bool again = true; again;) {
      again = false;
      for (const std::string_view wrapper : kWrappers) again = take_off(wrapper) || again;
    }
    for (const std::string_view mark : kMarks) take_out(mark);
  }

  void strip(const std::string& prefix) {
    std::size_t fitted = 0;
    for (std::string& name : out_.names)
      if (name.starts_with(prefix) && name.size() > prefix.size()) {
        name.erase(0, prefix.size());
        ++fitted;
      }
    const bool done = std::any_of(taken_off_.begin(), taken_off_.end(),
                                  [&](const std::string& wrapper) { return wrapper == prefix; });
    if (fitted == 0 && !done) no_effect("strip " + prefix, prefix);
  }

  void rename(const std::string& rule) {
    const std::size_t middle = rule.find('=');
    if (middle == std::string::npos)
      throw Fault(ExitCode::kUsage, "rename " + printable(rule) + " is not OLD=NEW",
                  "Say it as in --rename encoder.=transformer.");
    const std::string old = rule.substr(0, middle);
    std::size_t fitted = 0;
    for (std::string& name : out_.names)
      if (name.starts_with(old)) {
        name = rule.substr(middle + 1) + name.substr(old.size());
        ++fitted;
      }
    if (fitted == 0) no_effect("rename " + rule, old);
  }

  MappedNames finish() {
    std::map<std::string_view, std::size_t> seen;
    for (std::size_t i = 0; i < out_.names.size(); ++i) {
      const auto [first, fresh] = seen.try_emplace(out_.names[i], i);
      if (!fresh)
        throw Fault(ExitCode::kConfig,
                    "weights: " + printable(given_[first->second]) + " and " + printable(given_[i]) +
                        " both become " + printable(out_.names[i]),
                    "Strip or rename so that every tensor keeps a name of its own");
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void no_effect(const std::string& rule, const std::string& beginning) const {
    throw Fault(ExitCode::kUsage,
                "weights: " + printable(rule) + ": no name begins with " + printable(beginning) +
                    (out_.names.empty() ? "" : "; one is " + printable(out_.names[0])),
                "lockstep ckpt show FILE lists the names");
  }

  bool model_has(std::string_view part) const {
    return std::any_of(wanted_.begin(), wanted_.end(), [&](const std::string& name) {
      return name.starts_with(part) || name.find("." + std::string(part)) != std::string::npos;
    });
  }

  bool take_off(std::string_view wrapper) {
    if (wanted_.empty() && wrapper == "model.") return false;
    const auto has = [&](const std::string& name) {
      return name.starts_with(wrapper) && name.size() > wrapper.size();
    };
    if (out_.names.empty() || !std::all_of(out_.names.begin(), out_.names.end(), has)) return false;
    if (std::any_of(wanted_.begin(), wanted_.end(), has)) return false;
    for (std::string& name : out_.names) name.erase(0, wrapper.size());
    out_.said.push_back("\"" + std::string(wrapper) + "\" is taken off every name");
    taken_off_.emplace_back(wrapper);
    return true;
  }

  void take_out(std::string_view mark) {
    if (model_has(mark)) return;
    std::size_t found = 0;
    for (std::string& name : out_.names)
      for (std::size_t at = name.find(mark); at != std::string::npos; at = name.find(mark, at)) {
        const bool whole = (at == 0 || name[at - 1] == '.') && name.size() > mark.size();
        at += whole ? 0 : mark.size();
        if (whole) name.erase(at, mark.size());
        found += whole ? 1 : 0;
      }
    if (found > 0) out_.said.push_back("\"" + std::string(mark) + "\" is taken out of names");
  }

  std::vector<std::string> given_;
  MappedNames out_;
  const std::set<std::string>& wanted_;
  std::vector<std::string> taken_off_;
};

}  // namespace

bool matches_any(const std::string& name, const std::vector<std::string>& globs) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0; });
}

MappedNames map_names(std::vector<std::string> names, const std::set<std::string>& wanted,
                      const NameRules& rules) {
  Mapping mapping(std::move(names), wanted);
  mapping.take_off_wrappers();
  for (const std::string& prefix : rules.strip) mapping.strip(prefix);
  for (const std::string& rule : rules.rename) mapping.rename(rule);
  // Behind a prefix of the user's may stand one that is known.
  if (!rules.strip.empty() || !rules.rename.empty()) mapping.take_off_wrappers();
  return mapping.finish();
}

}  // namespace lockstep
