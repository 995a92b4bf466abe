// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <torch/torch.h>

#include "lockstep/base/error.h"
#include "lockstep/loop/session.h"
#include "tensors/kept_tensors.h"

namespace lockstep {
namespace {

bool is_kept(const torch::Tensor& tensor) {
  return kept_tensors() != nullptr && kept_tensors()->owns(tensor.data_ptr());
}

// The code of a job of one rank in a process of its own; 70 unless its tensors are kept as `kept` says.
int code_of_job(const JobOptions& options, bool kept) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto body = [kept](Session&) {
      check(is_kept(torch::ones({1 << 20})) == kept, "tensors are kept where the options say so");
    };
    ::_exit(run_job(body, options));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(JobMemory, IsKeptUnlessTheOptionsSayNo) {
  EXPECT_EQ(code_of_job({.device = "cpu"}, true), 0);
  EXPECT_EQ(code_of_job({.device = "cpu", .keep_memory = false}, false), 0);
}

}  // namespace
}  // namespace lockstep
