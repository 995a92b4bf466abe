// SPDX-License-Identifier: Apache-2.0
#include "train/data_record.h"

#include <fmt/format.h>

#include <map>
#include <sstream>
#include <utility>

namespace lockstep {
namespace {

constexpr std::size_t kNamed = 5;

std::string first_line(const std::string& content) {
  return "content " + content;
}

// One line each, whatever bytes a name has.
std::string escaped(const std::string& name) {
  std::string text;
  for (const char letter : name) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte < 0x20 || byte == 0x7f || byte == '\\' || byte >= 0x80)
      text += fmt::format("\\x{:02x}", byte);
    else
      text += letter;
  }
  return text;
}

// "<digest> <bytes>" by name; of several files with one name each.
using Listed = std::multimap<std::string, std::string>;

std::string mark_of(const DataFile& file) {
  return fmt::format("{} {}", file.content.hex(), file.bytes);
}

Listed listed(const std::string& text) {
  Listed files;
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const std::size_t digest = line.find(' ');
    const std::size_t bytes = digest == std::string::npos ? digest : line.find(' ', digest + 1);
    if (bytes != std::string::npos) files.emplace(line.substr(bytes + 1), line.substr(0, bytes));
  }
  return files;
}

struct Names {
  std::string what;
  std::size_t count = 0;
  std::string first;

  void add(const std::string& name) {
    if (count++ < kNamed) first += (first.empty() ? "" : ", ") + name;
  }
  std::string text() const {
    return fmt::format("{} {} ({}{})", count, what, first, count > kNamed ? ", …" : "");
  }
};

}  // namespace

DataRecord::DataRecord(Disk& disk, const std::string& run_directory)
    : disk_(disk), path_(run_directory + "/data-files.txt") {}

bool DataRecord::is_of(const std::string& content) const {
  return disk_.info(path_) && read_text(disk_, path_).starts_with(first_line(content) + "\n");
}

void DataRecord::keep(const std::string& content, const std::vector<DataFile>& files) const {
  std::string text = first_line(content) + "\n";
  for (const DataFile& file : files) text += fmt::format("{} {}\n", mark_of(file), escaped(file.name));
  replace_text(disk_, path_, text);
}

std::string DataRecord::difference(const std::string& content, const std::vector<DataFile>& now) const {
  if (!is_of(content)) return "";
  Listed before = listed(read_text(disk_, path_));
  Names came{"came"}, went{"went"}, changed{"changed"};
  for (const DataFile& file : now) {
    const auto found = before.find(escaped(file.name));
    if (found == before.end())
      came.add(escaped(file.name));
    else if (found->second != mark_of(file))
      changed.add(escaped(file.name));
    if (found != before.end()) before.erase(found);
  }
  for (const auto& [name, mark] : before) went.add(name);
  std::string text;
  for (const Names& names : {came, went, changed})
    if (names.count > 0) text += (text.empty() ? "" : ", ") + names.text();
  return text;
}

}  // namespace lockstep
