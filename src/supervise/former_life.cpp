// SPDX-License-Identifier: Apache-2.0
#include "supervise/former_life.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "supervise/scratch.h"
#include "supervise/session.h"

namespace lockstep {
namespace {

using Json = nlohmann::json;

std::string path_in(const std::string& run_directory) {
  return run_directory + "/supervisor.json";
}

std::string host_name() {
  char name[256] = "?";
  ::gethostname(name, sizeof name - 1);
  return name;
}

// Empty where there is none.
AttemptRecord record_in(const std::string& run_directory) {
  std::ifstream in(path_in(run_directory));
  const Json json = Json::parse(in, nullptr, /*allow_exceptions=*/false);
  try {
    return {json.at("host"),  json.at("pid"),     json.at("start"), json.at("session"),
            json.at("token"), json.at("scratch"), json.at("rank0s")};
  } catch (const Json::exception&) {
    return {};
  }
}

}  // namespace

void keep_record(const std::string& run_directory, const AttemptRecord& record) {
  const Json json = {{"host", host_name()},           {"pid", static_cast<int>(::getpid())},
                     {"start", start_of(::getpid())}, {"session", record.session},
                     {"token", record.token},         {"scratch", record.scratch},
                     {"rank0s", record.rank0s}};
  const std::string path = path_in(run_directory);
  {
    std::ofstream out(path + ".new");
    out << json.dump() << "\n";
    if (!out) return;
  }
  std::rename((path + ".new").c_str(), path.c_str());
}

void remove_record(const std::string& run_directory) {
  std::remove(path_in(run_directory).c_str());
}

std::optional<bool> supervisor_lives(const std::string& run_directory) {
  const AttemptRecord record = record_in(run_directory);
  if (record.host.empty()) return false;
  if (record.host != host_name()) return std::nullopt;
  return start_of(record.supervisor) == record.supervisor_start;
}

FormerLife::FormerLife(const std::string& run_directory) {
  record_ = record_in(run_directory);
  if (supervisor_lives(run_directory).value_or(true) || record_.token.empty()) record_ = {};
}

std::vector<pid_t> FormerLife::processes() const {
  return record_.token.empty() ? std::vector<pid_t>{} : members_of(record_.session, record_.token);
}

void FormerLife::ask_to_stop() const {
  const std::vector<pid_t> all = processes();
  if (std::find(all.begin(), all.end(), record_.session) != all.end()) {
    ::kill(record_.session, SIGUSR1);
    return;
  }
  for (const pid_t process : all) ::kill(process, SIGUSR1);
}

void FormerLife::end() const {
  if (record_.token.empty()) return;
  end_session(record_.session, std::chrono::seconds(5), record_.token);
  remove_scratch(record_.scratch);
}

}  // namespace lockstep
