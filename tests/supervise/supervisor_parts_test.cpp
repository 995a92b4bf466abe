// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "lockstep/base/error.h"
#include "supervise/former_life.h"
#include "supervise/hosts.h"
#include "supervise/launcher_words.h"
#include "supervise/on_end.h"
#include "supervise/preflight.h"
#include "supervise/process_session.h"
#include "supervise/run_events.h"
#include "supervise/scratch.h"
#include "supervise/standby.h"
#include "supervise/stop_requests.h"
#include "supervise/unit_file.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::read_file;
using testing::TempDir;
using testing::write_file;

const std::string kDashes(74, '-');

TEST(LauncherWords, PassesTheRanksLinesOnAndKeepsMpirunsBlocks) {
  LauncherWords words({});
  EXPECT_EQ(words.take("lockstep: step 1\nlock"), "lockstep: step 1\n");
  EXPECT_EQ(words.take("step: done\n" + kDashes + "\nPrimary job terminated\n" + kDashes + "\nrest"),
            "lockstep: done\n");
  EXPECT_EQ(words.rest(), "rest");
  EXPECT_EQ(words.circumstance(), Circumstance::kNone);
  EXPECT_EQ(words.blocks(), "Primary job terminated\n");
}

TEST(LauncherWords, AHostThatSshCannotReachIsNamed) {
  LauncherWords words({"node1", "node12", "node2"});
  words.take("ssh: connect to host node12 port 22: No route to host\r\n" + kDashes +
             "\nORTE was unable to reliably start one or more daemons.\n" + kDashes + "\n");
  EXPECT_EQ(words.circumstance(), Circumstance::kUnreachable);
  EXPECT_EQ(words.detail(), "ssh: connect to host node12 port 22: No route to host");
  EXPECT_EQ(words.bad_hosts(), std::vector<std::string>{"node12"});
}

TEST(LauncherWords, ALostDaemonsHostIsNamedAndMpirunsOwnIsNot) {
  LauncherWords words({"node1", "node2"});
  words.take(kDashes +
             "\nORTE has lost communication with a remote daemon.\n\n  HNP daemon   : [[1,0],0] on node "
             "node1\n  Remote daemon: [[1,0],1] on node node2\n" +
             kDashes + "\n");
  EXPECT_EQ(words.circumstance(), Circumstance::kUnreachable);
  EXPECT_EQ(words.bad_hosts(), std::vector<std::string>{"node2"});
}

TEST(LauncherWords, WhatARankSaysIsNoReason) {
  LauncherWords words({"node1"});
  EXPECT_EQ(words.take("lockstep: error: No space left on device\n"),
            "lockstep: error: No space left on device\n");
  EXPECT_EQ(words.circumstance(), Circumstance::kNone);
  words.take(kDashes + "\nIt appears as if there is not enough space for /dev/shm/vader_segment.x\n" +
             kDashes + "\n");
  EXPECT_EQ(words.circumstance(), Circumstance::kNoSpace);
}

TEST(StopRequests, SignalsOfOneSenderAreOneRequestAndEachCtrlCCounts) {
  const StopRequests::Time begin{};
  StopRequests machine;
  EXPECT_EQ(machine.add(SIGTERM, begin), StopWish::kSaveAndStop);
  EXPECT_EQ(machine.add(SIGHUP, begin + milliseconds(5)), StopWish::kNothing);
  EXPECT_EQ(machine.add(SIGUSR1, begin + milliseconds(20)), StopWish::kNothing);
  EXPECT_EQ(machine.add(SIGTERM, begin + seconds(3)), StopWish::kSayWhy);
  EXPECT_EQ(machine.signal(), SIGTERM);
  StopRequests person;
  EXPECT_EQ(person.add(SIGINT, begin), StopWish::kSaveAndStop);
  EXPECT_EQ(person.add(SIGINT, begin + milliseconds(100)), StopWish::kSayWhy);
  EXPECT_EQ(person.add(SIGINT, begin + milliseconds(200)), StopWish::kEnd);
}

TEST(HostPool, ASpareTakesThePlaceOfADroppedHostThenFewerAreLeft) {
  const TempDir folder;
  write_file(folder / "hosts", "# mine\nnode1 slots=4\nnode2 slots=2 # old\n\nnode3\n");
  HostPool pool(read_hostfile(folder / "hosts"), 1);
  EXPECT_EQ(pool.names(), (std::vector<std::string>{"node1", "node2"}));
  EXPECT_EQ(pool.slots(), 6);
  EXPECT_TRUE(pool.drop("node1"));
  EXPECT_EQ(pool.names(), (std::vector<std::string>{"node2", "node3"}));
  EXPECT_TRUE(pool.drop("node3"));
  EXPECT_EQ(pool.names(), (std::vector<std::string>{"node2"}));
  EXPECT_FALSE(pool.drop("node2"));
  EXPECT_THROW(HostPool(read_hostfile(folder / "hosts"), 3), Fault);
  EXPECT_THROW(read_hostfile(folder / "none"), Fault);
}

TEST(UnitFile, WordsReachTheProgramAsTheyWere) {
  const std::string unit =
      unit_file({{"/opt/lock step", "run", "a=\"b\"", "100%", "$HOME"}, "/data/100%", "x"});
  EXPECT_NE(unit.find("ExecStart=\"/opt/lock step\" \"run\" \"a=\\\"b\\\"\" \"100%%\" \"$$HOME\"\n"),
            std::string::npos)
      << unit;
  EXPECT_NE(unit.find("WorkingDirectory=/data/100%%\n"), std::string::npos);
}

TEST(ProcessSession, OutputEndAndLeftoversAreSeen) {
  ProcessSession session({"sh", "-c", "echo said >&2; sleep 60 & exit 7"}, {{"MARK", "m-1"}});
  while (!session.ended()) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(session.ended(), 7);
  EXPECT_FALSE(session.killed());
  EXPECT_EQ(session.read_said(), "said\n");
  EXPECT_EQ(members_of(session.id()).size(), 1u);
  EXPECT_EQ(members_of(session.id(), "MARK=m-1").size(), 1u);
  EXPECT_TRUE(members_of(session.id(), "MARK=m-2").empty());
  EXPECT_TRUE(end_session(session.id(), seconds(5)).empty());
  EXPECT_TRUE(members_of(session.id()).empty());
}

TEST(FormerLife, AnAttemptWhoseSupervisorLivesIsNotTakenOver) {
  const TempDir run;
  ProcessSession ranks({"sleep", "60"}, {{"MARK", "token-1"}});
  AttemptRecord record;
  record.sessions = {{ranks.id(), "token-1", {}}};
  keep_record(run.path(), record);
  EXPECT_TRUE(FormerLife(run.path()).processes().empty());  // this process is its supervisor, and lives
  auto json = nlohmann::json::parse(read_file(run / "supervisor.json"));
  json["start"] = "1";
  write_file(run / "supervisor.json", json.dump());
  while (members_of(ranks.id(), "token-1").empty()) std::this_thread::sleep_for(milliseconds(5));
  EXPECT_EQ(FormerLife(run.path()).processes(), std::vector<pid_t>{ranks.id()});
  FormerLife(run.path()).end();
  EXPECT_TRUE(members_of(ranks.id()).empty());
  write_file(run / "supervisor.json", "{torn");
  EXPECT_TRUE(FormerLife(run.path()).processes().empty());
}

TEST(Standby, IsNotStartedWhereMemoryIsShort) {
  EXPECT_TRUE(Standby::has_room(0));
  EXPECT_FALSE(Standby::has_room(1'000'000));
}

TEST(RunEvents, LinesWaitForTheRunDirectory) {
  const TempDir folder;
  RunEvents events;
  events.add(0, "waiting", {{"reason", "a host is away"}, {"pause_s", 0.25}});
  events.set_directory(folder / "run");
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
  std::filesystem::create_directory(folder / "run");
  events.add(1, "attempt_end", {{"code", std::int64_t{76}}});
  const std::string text = read_file(folder / "run/events.jsonl");
  const auto first = nlohmann::json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(first["event"], "waiting");
  EXPECT_EQ(first["pause_s"], 0.25);
  EXPECT_NE(text.find("\"attempt\":1,\"event\":\"attempt_end\",\"code\":76}\n"), std::string::npos);
}

TEST(Scratch, GoesAwayWithWhatIsInItAndNothingElseDoes) {
  const TempDir folder;
  std::vector<std::string> folders;
  {
    const Scratch scratch(folder.path());
    folders = scratch.folders();
    write_file(scratch.memory() + "/segment", "x");
  }
  for (const std::string& one : folders) EXPECT_FALSE(std::filesystem::exists(one));
  std::filesystem::create_directory(folder / "data");
  remove_scratch({folder / "data"});
  EXPECT_TRUE(std::filesystem::exists(folder / "data"));
  EXPECT_THROW(Scratch(folder / "none"), Fault);
}

TEST(OnEnd, TheCommandLearnsCodeAndRunDirectory) {
  const TempDir folder;
  run_on_end("echo \"$LOCKSTEP_CODE $LOCKSTEP_RUN_DIR $LOCKSTEP_REASON\" > " + (folder / "told"),
             {93, "no commit", "/runs/a"});
  EXPECT_EQ(read_file(folder / "told"), "93 /runs/a no commit\n");
}

TEST(Preflight, TooManyRanksForTheSharedMemoryAreRefusedInOneSentence) {
  try {
    prepare_for_mpirun(2, "/root");
  } catch (const Fault& fault) {
    FAIL() << fault.what();
  }
  EXPECT_THROW(prepare_for_mpirun(100000000, "/root"), Fault);
}

}  // namespace
}  // namespace lockstep
