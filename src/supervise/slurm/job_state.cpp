// SPDX-License-Identifier: Apache-2.0
#include "supervise/slurm/job_state.h"

#include <charconv>
#include <ctime>
#include <regex>

namespace lockstep {
namespace {

// Value of `key` in a line of key=value words; empty when it is not there.
std::string word_of(const std::string& line, const std::string& key) {
  std::string::size_type at = 0;
  while ((at = line.find(key + "=", at)) != std::string::npos) {
    const bool begins = at == 0 || line[at - 1] == ' ' || line[at - 1] == '\n';
    at += key.size() + 1;
    if (begins) return line.substr(at, line.find_first_of(" \n", at) - at);
  }
  return "";
}

std::optional<int> number(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "2026-11-28T23:55:00"; 0 for Unknown and the like.
std::int64_t unix_time(const std::string& text) {
  std::tm when{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &when);
  if (end == nullptr || *end != '\0') return 0;
  when.tm_isdst = -1;
  return std::mktime(&when);
}

}  // namespace

std::optional<SlurmJob> parse_slurm_job(const std::string& line) {
  SlurmJob job;
  job.state = word_of(line, "JobState");
  if (job.state.empty()) return std::nullopt;
  job.reason = word_of(line, "Reason");
  job.partition = word_of(line, "Partition");
  job.nodes = word_of(line, "NodeList");
  job.restarts = number(word_of(line, "Restarts")).value_or(0);
  job.may_requeue = word_of(line, "Requeue") != "0";
  job.end_time = word_of(line, "TimeLimit") == "UNLIMITED" ? 0 : unix_time(word_of(line, "EndTime"));
  return job;
}

std::optional<int> slurm_setting_s(const std::string& config, const std::string& key) {
  std::smatch found;
  if (!std::regex_search(config, found, std::regex("(^|\n)" + key + " *= *([0-9]+)"))) return std::nullopt;
  return number(found[2].str());
}

int partition_grace_s(const std::string& line) {
  return number(word_of(line, "GraceTime")).value_or(0);
}

SlurmStanding standing_of(const SlurmJob& job, int restarts_before) {
  if (job.restarts > restarts_before || job.state == "PENDING" || job.state == "REQUEUED")
    return SlurmStanding::kRequeued;
  const bool ours = job.state == "RUNNING" || job.state == "TIMEOUT" || job.reason == "TimeLimit";
  return ours ? SlurmStanding::kOurs : SlurmStanding::kCancelled;
}

}  // namespace lockstep
