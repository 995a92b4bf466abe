// SPDX-License-Identifier: Apache-2.0
#include "supervise/slurm/controller.h"

#include <algorithm>
#include <array>

#include "lockstep/base/log.h"

namespace lockstep {
namespace {

using std::chrono::seconds;

constexpr seconds kFirstPause{1};
constexpr seconds kLongestPause{15};
constexpr seconds kPatience{1800};

bool says(const CommandResult& answer, const std::string& words) {
  return answer.text.find(words) != std::string::npos;
}

// Words of slurmctld itself (src/common/slurm_errno.c), which the same question would get again.
bool is_final(const CommandResult& answer) {
  static constexpr std::array kFinal = {
      "Invalid job id",     "Job is pending execution", "is disabled",
      "presently disabled", "Access/permission",        "Invalid user",
      "already complet",    "Invalid partition",
  };
  return answer.code == 0 || answer.code == 127 ||
         std::any_of(kFinal.begin(), kFinal.end(), [&](const char* words) { return says(answer, words); });
}

}  // namespace

SlurmController::SlurmController(SlurmPlace place, RunCommand run, Pause pause)
    : place_(std::move(place)), run_(std::move(run)), pause_(std::move(pause)) {}

std::optional<CommandResult> SlurmController::ask(const std::vector<std::string>& words) {
  seconds waited{0};
  for (seconds pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    CommandResult answer = run_(words);
    if (is_final(answer)) return answer;
    if (waited == seconds(0))
      log_warning("Slurm's controller does not answer ({}); trying again",
                  answer.text.substr(0, answer.text.find('\n')));
    if (waited >= kPatience) return std::nullopt;
    pause_(pause);
    waited += pause;
  }
}

std::optional<SlurmJob> SlurmController::job() {
  const auto answer = ask({"scontrol", "show", "job", "-o", place_.name()});
  return answer && answer->code == 0 ? parse_slurm_job(answer->text) : std::nullopt;
}

Requeue SlurmController::requeue() {
  const auto answer = ask({"scontrol", "requeue", place_.name()});
  if (!answer) return Requeue::kUnheard;
  if (answer->code == 0 || says(*answer, "Job is pending execution")) return Requeue::kDone;
  log_warning("scontrol requeue {}: {}", place_.name(), answer->text.substr(0, answer->text.find('\n')));
  return Requeue::kRefused;
}

// KILL would end the job; no rank listens to ALRM.
void SlurmController::end_steps() {
  ask({"scancel", "--signal=ALRM", place_.name()});
}

int SlurmController::grace_s(const SlurmJob& job) {
  const auto config = ask({"scontrol", "show", "config"});
  const int kill_wait = config ? slurm_setting_s(config->text, "KillWait").value_or(0) : 0;
  const auto partition = ask({"scontrol", "show", "partition", "-o", job.partition});
  // A preemption's grace comes before KillWait; every other end has KillWait alone, which costs no more than
  // a save that was begun in vain.
  return kill_wait + (partition ? partition_grace_s(partition->text) : 0);
}

}  // namespace lockstep
