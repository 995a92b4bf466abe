// SPDX-License-Identifier: Apache-2.0
#include "supervise/slurm/attempt_events.h"

#include "supervise/attempt_split.h"

namespace lockstep {
namespace {

double in_seconds(std::chrono::milliseconds length) {
  return std::chrono::duration<double>(length).count();
}

}  // namespace

AttemptEvents::AttemptEvents(const SlurmPlace& place, const std::string& run_directory) : job_(place.name()) {
  if (!run_directory.empty()) events_.set_directory(run_directory);
}

void AttemptEvents::launched() {
  ++launches_;
  begun_ = trains_ = false;
  launched_ = std::chrono::steady_clock::now();
}

void AttemptEvents::heard(const AttemptStory& story, const std::string& nodes) {
  if (begun_ && !trains_ && story.stepped) {
    trains_ = true;
    events_.add(attempt_, "attempt_trains", attempt_split(story, launched_));
  }
  if (begun_ || story.run_directory.empty()) return;
  begun_ = true;
  attempt_ = story.attempt;
  events_.set_directory(story.run_directory);
  events_.add(attempt_, "attempt_begin",
              {{"launch", std::int64_t{launches_}},
               {"ranks", std::int64_t{story.ranks}},
               {"hosts", nodes},
               {"job", job_}});
}

void AttemptEvents::ended(const AttemptFacts& facts, const AttemptStory& story, const std::string& cause) {
  if (!begun_) events_.add(attempt_, "attempt_begin", {{"launch", std::int64_t{launches_}}, {"job", job_}});
  EventFields fields = {{"launch", std::int64_t{launches_}},
                        {"code", std::int64_t{facts.code}},
                        {"cause", cause},
                        {"steps_lost", steps_lost(facts, story)},
                        {"lasted_s", in_seconds(facts.lasted)}};
  if (story.last_word) {
    const auto since = std::chrono::steady_clock::now() - *story.last_word;
    fields.emplace_back("end_s", std::chrono::duration<double>(since).count());
  }
  events_.add(attempt_, "attempt_end", fields);
}

void AttemptEvents::next(const std::string& what, const std::string& reason) {
  events_.add(attempt_, what, {{"reason", reason}, {"job", job_}});
}

}  // namespace lockstep
