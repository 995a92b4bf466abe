// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <map>
#include <regex>
#include <set>

#include "house/rules.h"

namespace lockstep::house {
namespace {

using Names = std::set<std::string>;

constexpr int kPublicHeaders = 40;
constexpr int kIncludeDepth = 8;

// docs/architecture.md has the same table. config may also include the modules' options.h.
const std::map<std::string, Names>& layers() {
  static const std::map<std::string, Names> kLayers = {
      {"base", {}},
      {"untrusted", {"base"}},
      {"comm", {"base"}},
      {"hdf5", {"untrusted", "base"}},
      {"data", {"hdf5", "untrusted", "base"}},
      {"models", {"tensors", "base"}},
      {"memory", {"base"}},
      {"tensors", {"memory", "base"}},
      {"optim", {"tensors", "base"}},
      {"parallel", {"optim", "tensors", "memory", "comm", "base"}},
      {"checkpoint", {"hdf5", "untrusted", "base"}},
      {"shelf", {"checkpoint", "hdf5", "untrusted", "base"}},
      {"exchange", {"checkpoint", "hdf5", "untrusted", "base"}},
      {"named", {"shelf", "exchange", "checkpoint", "hdf5", "untrusted", "base"}},
      {"run", {"base"}},
      {"supervise", {"run", "base"}},
      {"report", {"base"}},
      {"drill", {"base"}},
      {"train",
       {"loop", "run", "named", "shelf", "exchange", "checkpoint", "untrusted", "parallel", "comm", "data",
        "models", "optim", "tensors", "memory", "base"}},
      {"config", {"base"}},
      {"loop",
       {"config", "named", "shelf", "exchange", "checkpoint", "untrusted", "run", "parallel", "optim",
        "tensors", "memory", "comm", "base"}},
      {"cli",
       {"config", "report", "drill", "supervise", "train", "loop", "run", "named", "shelf", "exchange",
        "checkpoint", "untrusted", "parallel", "comm", "data", "models", "optim", "base"}},
      {"main", {"cli"}},
  };
  return kLayers;
}

// Headers of other projects that not everybody may include, and the folders that may.
struct Reserved {
  std::regex header;
  std::regex folders;
};

const std::vector<Reserved>& reserved() {
  static const std::vector<Reserved> kReserved = {
      {std::regex("mpi\\.h|mpi-ext\\.h"), std::regex("src/comm/mpi/.*")},
      {std::regex("nccl\\.h"), std::regex("src/comm/nccl/.*")},
      {std::regex("cuda.*|(c10|ATen)/cuda/.*"), std::regex("src/comm/nccl/.*|src/.*/cuda/.*")},
      {std::regex("hdf5.*\\.h|H5.*\\.h"), std::regex("src/hdf5/.*")},
      {std::regex("yaml-cpp/.*"), std::regex("src/config/.*")},
      {std::regex("(torch|ATen|c10|caffe2)/.*"),
       std::regex("(src|include/lockstep)/(tensors|models|optim|parallel|loop|train|cli)/.*")},
      {std::regex("CLI/.*"), std::regex("src/cli/.*")},
      {std::regex("nlohmann/.*"),
       std::regex(
           "src/(untrusted|checkpoint|shelf|exchange|loop|config|drill|report|run|supervise|train|cli)/.*")},
      {std::regex("spdlog/.*|xxhash\\.h"), std::regex("src/base/.*")},
      {std::regex("gtest/.*|gmock/.*"), std::regex("tests/.*")},
  };
  return kReserved;
}

std::string module_of(const std::string& path) {
  static const std::regex kModule("(?:src|include/lockstep)/([^/]+)/.*");
  std::smatch match;
  if (path == "src/main.cpp") return "main";
  if (path == "include/lockstep/lockstep.h") return "loop";
  return std::regex_match(path, match, kModule) ? match[1].str() : "";
}

// src/data and include/lockstep/data are one folder in two places.
std::string folder_of(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/'));
  for (const std::string root : {"src/", "include/lockstep/"})
    if (folder.rfind(root, 0) == 0) return folder.substr(root.size());
  return folder;
}

std::string path_of(const Include& include) {
  return (include.name.rfind("lockstep/", 0) == 0 ? "include/" : "src/") + include.name;
}

std::map<std::string, const File*> own_files(const Tree& tree) {
  std::map<std::string, const File*> files;
  for (const File& file : tree)
    if (file.is_ours()) files[file.path] = &file;
  return files;
}

// Calls `visit` for each include of a file of ours by another.
void each_own_include(const Tree& tree, const std::function<void(const File&, const Include&)>& visit) {
  for (const auto& [path, file] : own_files(tree))
    for (const Include& include : includes_of(*file))
      if (include.quoted) visit(*file, include);
}

// A chain of includes from `from` to the first file for which `wanted` says so; empty when there is none.
class Chains {
 public:
  using Wanted = std::function<bool(const File&)>;
  Chains(const Tree& tree, Wanted wanted) : files_(own_files(tree)), wanted_(std::move(wanted)) {}

  std::string from(const std::string& path) {
    const auto file = files_.find(path);
    if (file == files_.end() || !seen_.insert(path).second) return "";
    if (wanted_(*file->second)) return path;
    for (const Include& include : includes_of(*file->second)) {
      const std::string rest = include.quoted ? from(path_of(include)) : "";
      if (!rest.empty()) return path + " > " + rest;
    }
    return "";
  }

  void forget() { seen_.clear(); }

 private:
  std::map<std::string, const File*> files_;
  Wanted wanted_;
  Names seen_;
};

bool includes_any(const File& file, const std::regex& headers) {
  const auto includes = includes_of(file);
  return std::any_of(includes.begin(), includes.end(),
                     [&](const Include& include) { return std::regex_match(include.name, headers); });
}

}  // namespace

Violations modules_include_only_lower_ones(const Tree& tree) {
  Violations found;
  const auto files = own_files(tree);
  for (const auto& [path, file] : files)
    if (layers().count(module_of(path)) == 0)
      found.push_back({path, 1, "belongs to no module of the layers table"});
  each_own_include(tree, [&](const File& file, const Include& include) {
    const std::string from = module_of(file.path);
    const std::string to = module_of(path_of(include));
    const auto allowed = layers().find(from);
    if (files.count(path_of(include)) == 0)
      found.push_back({file.path, include.line, include.name + " is not a file below src/ or include/"});
    const bool options = from == "config" && include.name.substr(include.name.rfind('/') + 1) == "options.h";
    if (allowed != layers().end() && from != to && allowed->second.count(to) == 0 && !options)
      found.push_back({file.path, include.line, "module " + from + " may not include " + include.name});
  });
  return found;
}

Violations architecture_page_has_the_layers(const Tree& tree) {
  Violations found;
  for (const File& file : tree) {
    if (file.path != "docs/architecture.md") continue;
    for (const auto& [module, lower] : layers()) {
      std::string names = lower.empty() ? "-" : "";
      for (const std::string& name : lower) names += (names.empty() ? "" : ", ") + name;
      if (module == "config") names += ", every module's `options.h`";
      const bool there = std::any_of(file.text.begin(), file.text.end(),
                                     [&, start = "| " + module + " |"](const auto& line) {
                                       const std::string end = "| " + names + " |";
                                       return line.rfind(start, 0) == 0 && line.size() > end.size() &&
                                              line.substr(line.size() - end.size()) == end;
                                     });
      if (!there)
        found.push_back(
            {file.path, 1, "no row \"| " + module + " | … | " + names + " |\" as the test has it"});
    }
  }
  return found;
}

Violations libraries_stay_in_their_folders(const Tree& tree) {
  Violations found;
  for (const auto& [path, file] : own_files(tree))
    for (const Include& include : includes_of(*file))
      for (const Reserved& rule : reserved())
        if (!include.quoted && std::regex_match(include.name, rule.header)) {
          if (!std::regex_match(path, rule.folders))
            found.push_back({path, include.line, include.name + " is reserved for other folders"});
          break;
        }
  return found;
}

Violations torch_is_not_reached_from_below(const Tree& tree) {
  static const std::regex kTorch("(torch|ATen|c10|caffe2)/.*");
  static const Names kFree = {"base",       "untrusted", "run",      "supervise", "report",
                              "drill",      "comm",      "memory",   "data",      "hdf5",
                              "checkpoint", "shelf",     "exchange", "named",     "config"};
  Violations found;
  Chains chains(tree, [](const File& file) { return includes_any(file, kTorch); });
  for (const auto& [path, file] : own_files(tree)) {
    if (kFree.count(module_of(path)) == 0) continue;
    chains.forget();
    const std::string chain = chains.from(path);
    if (!chain.empty()) found.push_back({path, 1, "reaches LibTorch: " + chain});
  }
  return found;
}

Violations public_headers_are_few_and_clean(const Tree& tree) {
  static const std::regex kHidden("mpi\\.h|nccl\\.h|hdf5.*\\.h|H5.*\\.h|yaml-cpp/.*|cuda.*");
  Violations found;
  int count = 0;
  Chains chains(tree, [](const File& file) {
    return file.path.rfind("include/", 0) != 0 || includes_any(file, kHidden);
  });
  for (const auto& [path, file] : own_files(tree)) {
    if (path.rfind("include/", 0) != 0) continue;
    ++count;
    chains.forget();
    const std::string chain = chains.from(path);
    if (!chain.empty()) found.push_back({path, 1, "a public header reaches what is not public: " + chain});
  }
  if (count > kPublicHeaders)
    found.push_back({"include/lockstep", 1,
                     std::to_string(count) + " public headers, limit " + std::to_string(kPublicHeaders)});
  return found;
}

Violations no_two_folders_include_each_other(const Tree& tree) {
  struct Place {
    std::string file;
    int line;
  };
  std::map<std::pair<std::string, std::string>, Place> first;
  each_own_include(tree, [&](const File& file, const Include& include) {
    const auto edge = std::make_pair(folder_of(file.path), folder_of(path_of(include)));
    if (edge.first != edge.second) first.emplace(edge, Place{file.path, include.line});
  });
  Violations found;
  for (const auto& [edge, place] : first) {
    const auto back = first.find({edge.second, edge.first});
    if (back != first.end() && edge.first < edge.second)
      found.push_back({place.file, place.line,
                       edge.first + " includes " + edge.second + ", and back in " + back->second.file + ":" +
                           std::to_string(back->second.line)});
  }
  return found;
}

Violations include_depth_is_small(const Tree& tree) {
  const auto files = own_files(tree);
  std::map<std::string, std::string> longest;  // path to its longest chain
  std::map<std::string, int> depth;
  Names open;
  Violations found;
  const std::function<int(const std::string&)> measure = [&](const std::string& path) -> int {
    const auto file = files.find(path);
    if (file == files.end()) return 0;
    if (const auto known = depth.find(path); known != depth.end()) return known->second;
    if (!open.insert(path).second) {
      found.push_back({path, 1, "includes itself in a circle"});
      return 0;
    }
    int deepest = 0;
    longest[path] = path;
    for (const Include& include : includes_of(*file->second)) {
      const std::string next = path_of(include);
      if (!include.quoted || files.count(next) == 0) continue;
      const int here = measure(next) + 1;
      if (here > deepest) {
        deepest = here;
        longest[path] = path + " > " + longest[next];
      }
    }
    open.erase(path);
    return depth[path] = deepest;
  };
  for (const auto& [path, file] : files)
    if (const int here = measure(path); here > kIncludeDepth)
      found.push_back({path, 1,
                       "include depth " + std::to_string(here) + ", limit " + std::to_string(kIncludeDepth) +
                           ": " + longest[path]});
  return found;
}

namespace {

// Uses of one of `names` outside `allowed`.
Violations uses(const Tree& tree, const Names& names, const std::regex& allowed, const std::string& what) {
  Violations found;
  for (const auto& [path, file] : own_files(tree)) {
    if (std::regex_match(path, allowed)) continue;
    for (const Token& token : tokens_of(*file))
      if (names.count(token.text) != 0) found.push_back({path, token.line, token.text + ": " + what});
  }
  return found;
}

}  // namespace

Violations environment_is_read_in_one_file(const Tree& tree) {
  return uses(tree, {"getenv", "secure_getenv", "environ"}, std::regex("src/config/environment\\.cpp"),
              "the environment is read in src/config/environment.cpp only");
}

Violations threads_are_asked_for_in_one_file(const Tree& tree) {
  return uses(tree, {"parallel_for", "parallel_reduce"}, std::regex("src/tensors/in_parallel\\.cpp"),
              "in_parallel() is what has more than one thread (Note [threads of a rank])");
}

Violations libraries_do_not_print(const Tree& tree) {
  return uses(tree, {"cout", "cerr", "clog", "printf", "fprintf", "puts", "fputs", "putchar", "exit"},
              std::regex("src/cli/.*|src/base/log\\.cpp|src/loop/standard_streams\\.cpp"),
              "a library never prints and never exits");
}

}  // namespace lockstep::house
