// SPDX-License-Identifier: Apache-2.0
#include "supervise/attempt_split.h"

namespace lockstep {

EventFields attempt_split(const AttemptStory& story, AttemptStory::Time launched) {
  const auto seconds = [](AttemptStory::Time from, AttemptStory::Time to) {
    return std::chrono::duration<double>(to - from).count();
  };
  return {{"step", *story.resumed + 1},
          {"start_s", seconds(launched, *story.joined)},
          {"load_s", seconds(*story.joined, *story.trained)},
          {"first_step_s", seconds(*story.trained, *story.stepped)}};
}

}  // namespace lockstep
