// SPDX-License-Identifier: Apache-2.0
#include "supervise/former_life.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/run_layout.h"
#include "supervise/process_session.h"
#include "supervise/scratch.h"

namespace lockstep {
namespace {

using Json = nlohmann::json;

std::string path_in(const std::string& run_directory) {
  return RunLayout(run_directory).supervisor();
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
    AttemptRecord record = {json.at("host"), json.at("pid"), json.at("start"), {}, json.at("rank0s")};
    for (const Json& one : json.at("sessions"))
      record.sessions.push_back({one.at("session"), one.at("token"), one.at("scratch")});
    return record;
  } catch (const Json::exception&) {
    return {};
  }
}

}  // namespace

void keep_record(const std::string& run_directory, const AttemptRecord& record) {
  Json json = {{"host", host_name()},
               {"pid", static_cast<int>(::getpid())},
               {"start", start_of(::getpid())},
               {"sessions", Json::array()},
               {"rank0s", record.rank0s}};
  for (const SessionRecord& one : record.sessions)
    json["sessions"].push_back({{"session", one.session}, {"token", one.token}, {"scratch", one.scratch}});
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
  if (supervisor_lives(run_directory).value_or(true)) record_ = {};
  std::erase_if(record_.sessions, [](const SessionRecord& one) { return one.token.empty(); });
}

std::vector<pid_t> FormerLife::processes() const {
  std::vector<pid_t> all;
  for (const SessionRecord& one : record_.sessions) {
    const std::vector<pid_t> some = members_of(one.session, one.token);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

void FormerLife::ask_to_stop() const {
  for (const SessionRecord& one : record_.sessions) {
    const std::vector<pid_t> all = members_of(one.session, one.token);
    if (std::find(all.begin(), all.end(), one.session) != all.end())
      ::kill(one.session, SIGUSR1);
    else
      for (const pid_t process : all) ::kill(process, SIGUSR1);
  }
}

void FormerLife::end() const {
  for (const SessionRecord& one : record_.sessions) {
    end_session(one.session, std::chrono::seconds(5), one.token);
    remove_scratch(one.scratch);
  }
}

}  // namespace lockstep
