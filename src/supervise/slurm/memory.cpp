// SPDX-License-Identifier: Apache-2.0
#include "supervise/slurm/memory.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "lockstep/base/log.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Json as_json(const History& history) {
  Json json = {{"attempts", history.attempts},
               {"faults", history.faults},
               {"fruitless", history.fruitless},
               {"bugs", history.bugs},
               {"pauses", history.pauses},
               {"waits", history.waits},
               {"ever_trained", history.ever_trained},
               {"same_fault", history.same_fault},
               {"host_failures", history.host_failures}};
  if (const auto& fault = history.last_fault)
    json["last_fault"] = {
        {"code", fault->code}, {"step", fault->step}, {"message", fault->message}, {"host", fault->host}};
  return json;
}

History history_of(const Json& json) {
  History history;
  history.attempts = json.at("attempts");
  history.faults = json.at("faults");
  history.fruitless = json.at("fruitless");
  history.bugs = json.at("bugs");
  history.pauses = json.at("pauses");
  history.waits = json.at("waits");
  history.ever_trained = json.at("ever_trained");
  history.same_fault = json.at("same_fault");
  history.host_failures = json.at("host_failures").get<std::map<std::string, int>>();
  if (json.contains("last_fault")) {
    const Json& fault = json["last_fault"];
    history.last_fault =
        ReportedFault{fault.at("code"), fault.at("step"), fault.at("message"), fault.at("host")};
  }
  return history;
}

}  // namespace

SlurmMemory::SlurmMemory(std::string job, const std::string& run_directory) : job_(std::move(job)) {
  if (!run_directory.empty()) recall(run_directory);
}

void SlurmMemory::recall(const std::string& run_directory) {
  if (!run_directory_.empty()) return;
  run_directory_ = run_directory;
  std::ifstream file(path());
  if (!file) return;
  try {
    const Json json = Json::parse(file);
    if (json.at("job") == job_) history_ = history_of(json.at("history"));
  } catch (const Json::exception& error) {
    log_warning("{}: not read ({}): attempts are counted anew", path(), error.what());
  }
}

void SlurmMemory::keep(const History& history) {
  history_ = history;
  // A config that is refused makes no run directory, and leaves nothing behind here either.
  std::error_code error;
  if (run_directory_.empty() || !fs::is_directory(run_directory_, error)) return;
  const Json json = {{"job", job_}, {"history", as_json(history)}};
  const std::string part = path() + ".part";
  std::ofstream file(part);
  file << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
  file.close();
  if (file) fs::rename(part, path(), error);
  if (!file || error) log_warning("{}: not written: after a requeue, attempts are counted anew", path());
}

}  // namespace lockstep
