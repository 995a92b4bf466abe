// SPDX-License-Identifier: Apache-2.0
#include "config/load.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "config/consistency.h"
#include "config/derive.h"
#include "config/paths.h"
#include "config/read_value.h"
#include "config/yaml_text.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

// One byte more than the limit is enough to refuse a file of any size.
std::string read_file(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    throw Fault(ExitCode::kInputMissing, printable(path) + ": a folder, not a config file");
  // Not through Disk: a config may be a link or a pipe, and nothing is ever written to it.
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
    throw Fault(ExitCode::kInputMissing, "config file " + printable(path) + ": " + std::strerror(errno),
                "lockstep config init prints one to start from");
  std::string text(kMaxConfigBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad())
    throw Fault(ExitCode::kInputMissing, "config file " + printable(path) + ": " + std::strerror(errno));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

// With the place in front, since the key's value is all that is seen elsewhere.
std::string expanded(const std::string& path, const Row& row, const Setting& setting) {
  try {
    return expanded_path(path, ExitCode::kConfig);
  } catch (const Fault& fault) {
    refuse(setting, row.key, fault.fact(), fault.remedy());
  }
}

// Links are followed here, once: what the run records is where the data really lies, and ".." behind a link
// is right.
std::string resolved(const std::string& path, const Origin& origin) {
  std::error_code error;
  const fs::path whole = fs::absolute(fs::path(origin.directory) / path);
  const fs::path canonical = fs::weakly_canonical(whole, error);
  return error ? whole.string() : canonical.string();
}

Value with_paths_resolved(const Row& row, Value value, const Setting& setting) {
  const auto resolve = [&](std::string& path) {
    path = resolved(expanded(path, row, setting), *setting.origin);
  };
  if (auto* path = std::get_if<std::string>(&value)) {
    const bool is_word = std::find(row.words.begin(), row.words.end(), *path) != row.words.end();
    if (!is_word) resolve(*path);
  } else if (auto* paths = std::get_if<std::vector<std::string>>(&value)) {
    for (std::string& path : *paths) resolve(path);
  }
  return value;
}

// In the order of the table, so that data.type is known when its paths are read.
void assign(const Settings& settings, const Schema& schema, RunConfig& config) {
  for (const Row& row : schema.rows()) {
    const auto given = settings.find(row.key);
    if (given == settings.end()) continue;
    Value value = read_value(row, given->second);
    if (holds_paths(row, config)) value = with_paths_resolved(row, std::move(value), given->second);
    // Relative to the working directory, and shown as it was given.
    if (auto* path = std::get_if<std::string>(&value); path != nullptr && row.key == "run.dir")
      *path = expanded(*path, row, given->second);
    row.set(config, value);
  }
}

// After the overrides: key=null takes back what the file said.
void drop_nulls(Settings& settings) {
  std::erase_if(settings,
                [](const auto& entry) { return entry.second.node.kind == ConfigNode::Kind::kNull; });
}

void flatten(const Schema& schema, RunConfig& config) {
  for (const Row& row : schema.rows())
    if (schema.applies(row, config)) config.flat[row.key] = print_value(value_of(row, config));
}

}  // namespace

RunConfig load_config_text(const std::string& text, const Origin& origin,
                           const std::vector<std::string>& overrides, const ExtraTypes& types) {
  const Schema schema(types);
  const auto shared = std::make_shared<const Origin>(origin);
  Settings settings;
  collect_file(parse_yaml(text, origin), shared, schema, settings);
  for (const std::string& one : overrides) collect_override(one, "", schema, settings);
  drop_nulls(settings);

  RunConfig config;
  assign(settings, schema, config);
  const Given given{schema, settings, origin};
  require_data(given);
  // Before defaults are derived, so that only what somebody wrote is blamed.
  refuse_without_effect(given, config);
  derive(given, config);
  check_consistency(given, config);
  flatten(schema, config);
  return config;
}

RunConfig load_config(const std::string& file, const std::vector<std::string>& overrides,
                      const ExtraTypes& types) {
  const Origin origin{file, fs::path(file).parent_path().string(), true};
  return load_config_text(read_file(file), origin, overrides, types);
}

}  // namespace lockstep
