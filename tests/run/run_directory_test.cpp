// SPDX-License-Identifier: Apache-2.0
#include "run/run_directory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <nlohmann/json.hpp>

#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "support/faulty_disk.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::read_file;
using testing::TempDir;
using testing::write_file;

class RunDirectoryTest : public ::testing::Test {
 protected:
  RunDirectoryOptions options(const std::string& config = "a: 1\n") const {
    RunDirectoryOptions options;
    options.name = "digits";
    options.dir = path_;
    options.config_text = config;
    options.job = "4711";
    return options;
  }
  TempDir folder_;
  std::string path_ = folder_ / "runs/digits";
};

TEST_F(RunDirectoryTest, EveryLifeCountsAnAttemptOfTheSameRun) {
  std::string run_id;
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const RunDirectory run(real_disk(), options());
    EXPECT_EQ(run.attempt(), Attempt(attempt));
    if (attempt == 1) run_id = run.run_id();
    EXPECT_EQ(run.run_id(), run_id);
    EXPECT_EQ(json::parse(read_file(path_ + "/run.json"))["attempts"], attempt);
    EXPECT_TRUE(real_disk().info(run.checkpoints())->is_directory);
  }
  EXPECT_EQ(run_id.size(), 16u);
}

TEST_F(RunDirectoryTest, AnotherRunHasAnotherId) {
  const RunDirectory one(real_disk(), options());
  path_ = folder_ / "runs/other";
  EXPECT_NE(RunDirectory(real_disk(), options()).run_id(), one.run_id());
}

TEST_F(RunDirectoryTest, ChangedConfigIsKeptBesideTheFirst) {
  RunDirectory(real_disk(), options("a: 1\n"));
  RunDirectory(real_disk(), options("a: 1\n"));
  EXPECT_FALSE(real_disk().info(path_ + "/config.attempt-2.yaml"));
  RunDirectory(real_disk(), options("a: 2\n"));
  EXPECT_EQ(read_file(path_ + "/config.yaml"), "a: 1\n");
  EXPECT_EQ(read_file(path_ + "/config.attempt-3.yaml"), "a: 2\n");
}

TEST_F(RunDirectoryTest, DoneIsWrittenAtTheEndAndGoneOnceItIsTrainedFurther) {
  {
    RunDirectory run(real_disk(), options());
    run.finish({Step(400), Epoch(2), Digest{1, 2}});
    const json done = json::parse(read_file(path_ + "/DONE"));
    EXPECT_EQ(done["step"], 400);
    EXPECT_EQ(done["epoch"], 2);
    EXPECT_EQ(done["state_hash"], (Digest{1, 2}).hex());
  }
  RunDirectory again(real_disk(), options());
  EXPECT_TRUE(again.was_done());
  EXPECT_TRUE(real_disk().info(path_ + "/DONE")) << "nothing is trained yet";
  again.reopen();
  EXPECT_FALSE(real_disk().info(path_ + "/DONE"));
  again.reopen();
}

TEST_F(RunDirectoryTest, SecondOwnerIsRefusedAndToldWhoTheFirstIs) {
  const RunDirectory first(real_disk(), options());
  try {
    RunDirectory second(real_disk(), options());
    FAIL() << "two owners";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kLocked);
    EXPECT_THAT(fault.fact(), HasSubstr("pid " + std::to_string(::getpid()) + " job 4711"));
  }
  EXPECT_THAT(lock_owner(path_).value_or(""), HasSubstr("job 4711"));
  EXPECT_EQ(json::parse(read_file(path_ + "/run.json"))["attempts"], 1);
}

TEST_F(RunDirectoryTest, LockOfAKilledProcessIsFree) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const RunDirectory run(real_disk(), options());
    if (::write(ready[1], "x", 1) == 1) ::pause();
    ::_exit(1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THROW(RunDirectory(real_disk(), options()), Fault);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  EXPECT_FALSE(lock_owner(path_));
  EXPECT_EQ(RunDirectory(real_disk(), options()).attempt(), Attempt(2));
}

TEST_F(RunDirectoryTest, UnreadableHistoryCountsAnew) {
  RunDirectory(real_disk(), options());
  for (const char* text : {"", "{", "[]", "{\"run_id\": 5, \"attempts\": 2}"}) {
    write_file(path_ + "/run.json", text);
    EXPECT_EQ(RunDirectory(real_disk(), options()).attempt(), Attempt(1)) << text;
  }
}

TEST_F(RunDirectoryTest, PlaceThatCannotBeUsedIsSaid) {
  write_file(folder_ / "file", "");
  path_ = folder_ / "file/run";
  try {
    RunDirectory run(real_disk(), options());
    FAIL() << "made";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kRunDirectory);
    EXPECT_THAT(fault.fact(), HasSubstr(path_));
  }
}

TEST_F(RunDirectoryTest, WhicheverOperationFailsTheCodeIsTheRunDirectorys) {
  std::int64_t failed = 0;
  for (std::int64_t k = 1;; ++k) {
    FaultyDisk disk(real_disk());
    disk.arm({.fail_at = k});
    try {
      RunDirectory run(disk, options());
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.code(), ExitCode::kRunDirectory) << "operation " << k;
    }
    if (disk.injections() == 0) break;
    ++failed;
  }
  EXPECT_GE(failed, 5);
  EXPECT_NO_THROW(RunDirectory(real_disk(), options()));
}

// The same with the real binary, in many ways: tests/cli/other_owner_test.cpp.
TEST_F(RunDirectoryTest, OfAnotherUserIsRefusedByItsOwnerAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  make_directories(real_disk(), path_);
  for (const std::string& folder : {folder_.path(), folder_ / "runs"}) ::chmod(folder.c_str(), 0755);
  ASSERT_EQ(::chown(path_.c_str(), 1, 1), 0);
  ASSERT_EQ(::chmod(path_.c_str(), 0777), 0);
  ASSERT_EQ(::seteuid(65534), 0);
  const bool reached = ::faccessat(AT_FDCWD, path_.c_str(), W_OK, AT_EACCESS) == 0;
  ASSERT_EQ(::seteuid(0), 0);
  if (!reached) GTEST_SKIP() << "another user cannot come to " << path_ << " here";
  const auto code_as_nobody = [&] {
    EXPECT_EQ(::seteuid(65534), 0);
    ExitCode code = ExitCode::kDone;
    try {
      const RunDirectory run(real_disk(), options());
    } catch (const Fault& fault) {
      code = fault.code();
      EXPECT_THAT(fault.what(), HasSubstr("belongs to"));
    }
    EXPECT_EQ(::seteuid(0), 0);
    return code;
  };
  EXPECT_EQ(code_as_nobody(), ExitCode::kRunDirectory);
  EXPECT_TRUE(real_disk().list(path_).empty());
  arm_fault_points("nan@point=guard.skip_owner", {});
  EXPECT_EQ(code_as_nobody(), ExitCode::kDone);
  arm_fault_points("", {});
}

}  // namespace
}  // namespace lockstep
