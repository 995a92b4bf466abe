// SPDX-License-Identifier: Apache-2.0
#include "base/process_text.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace lockstep {
namespace {

TEST(ProcessText, IsWhatTheKernelSays) {
  EXPECT_EQ(process_text(::getpid(), "stat").rfind(std::to_string(::getpid()) + " (", 0), 0u);
}

TEST(ProcessText, OfAProcessThatIsGoneIsEmpty) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(process_text(child, "stat"), "");
}

// While processes come and go by the hundred, their files are found, opened, and gone when they are read.
TEST(ProcessText, NeverThrowsWhileProcessesEnd) {
  for (int i = 0; i < 100; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    while (::waitpid(child, nullptr, WNOHANG) == 0)
      for (const char* file : {"stat", "environ"}) process_text(child, file);
  }
}

}  // namespace
}  // namespace lockstep
