// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

namespace lockstep {

enum class StorageGrade { kOk, kWarn, kBad };

// One line of what a file system has or lacks.
struct StorageFinding {
  StorageGrade grade = StorageGrade::kOk;
  std::string what;     // "O_DIRECT"
  std::string found;    // what was seen
  std::string meaning;  // for a run; or how to mend it

  // Of what, whoever looked says later.
  static StorageFinding ok(std::string found, std::string meaning) {
    return {StorageGrade::kOk, "", std::move(found), std::move(meaning)};
  }
  static StorageFinding warn(std::string found, std::string meaning) {
    return {StorageGrade::kWarn, "", std::move(found), std::move(meaning)};
  }
  static StorageFinding bad(std::string found, std::string meaning) {
    return {StorageGrade::kBad, "", std::move(found), std::move(meaning)};
  }
};

}  // namespace lockstep
