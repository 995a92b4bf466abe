// SPDX-License-Identifier: Apache-2.0
// Open files on their way between the ranks of a domain, which are here the two ends of sockets.
#include "comm/domain/file_handover.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>

#include "base/memory_file.h"
#include "comm/domain/descriptor_socket.h"
#include "comm/domain/shared_memory.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

ino_t inode_of(const Descriptor& file) {
  struct stat status {};
  EXPECT_EQ(::fstat(file.get(), &status), 0);
  return status.st_ino;
}

class Handover : public ::testing::Test {
 protected:
  Handover() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    raw_ = Descriptor(::dup(ends[0]));
    std::vector<Descriptor> first, second;
    first.emplace_back(ends[0]);
    second.emplace_back(ends[1]);
    first_ = FileHandover(0, 2, std::move(first));
    second_ = FileHandover(1, 2, std::move(second));
  }
  static void expect_closed(FileHandover& rank) {
    const Descriptor file = make_memory_file("later", 4096);
    for (const int from : {0, 1}) EXPECT_THROW(rank.pass(file.get(), from), Fault);
  }

  FileHandover first_, second_;
  Descriptor raw_{-1};  // the first rank's end, for what it does not say
};

TEST_F(Handover, BringsTheFileOfEitherRankToTheOther) {
  const Descriptor one = make_memory_file("one", 4096), two = make_memory_file("two", 8192);
  for (int turn = 0; turn < 3; ++turn) {
    first_.pass(one.get(), 0);
    EXPECT_EQ(inode_of(second_.pass(-1, 0)), inode_of(one));
    second_.pass(two.get(), 1);
    EXPECT_EQ(inode_of(first_.pass(-1, 1)), inode_of(two));
  }
}

TEST_F(Handover, TakesNoFileOfAnotherTurnForItsOwn) {
  const Descriptor file = make_memory_file("late", 4096);
  first_.pass(file.get(), 0);
  ASSERT_TRUE(send_descriptor(raw_, file, 1));  // once more: late, or in place of one that was lost
  EXPECT_NO_THROW(second_.pass(-1, 0));
  EXPECT_THROW(second_.pass(-1, 0), Fault);
  // What would come now in good order is not taken any more: the ranks no longer agree on what that is.
  expect_closed(second_);
  EXPECT_THROW(first_.pass(file.get(), 0), Fault);
}

TEST_F(Handover, ThatFailsOnOneRankFailsAtOnceOnTheOther) {
  raw_ = Descriptor(-1);
  EXPECT_THROW(first_.pass(-1, 0), Fault);  // has no file to give, as where there is no descriptor left
  EXPECT_THROW(second_.pass(-1, 0), Fault);
  expect_closed(first_);
  expect_closed(second_);
}

TEST(DescriptorSocket, WaitsOnBothEndsForSecondsOnly) {
  std::string name;
  const Descriptor listener = listen_for_descriptors(name);
  const Descriptor there = connect_for_descriptors(name);
  const Descriptor here = accept_for_descriptors(listener);
  for (const Descriptor* socket : {&there, &here})
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
      timeval limit{};
      socklen_t length = sizeof limit;
      ASSERT_EQ(::getsockopt(socket->get(), SOL_SOCKET, option, &limit, &length), 0);
      EXPECT_GT(limit.tv_sec, 0);
    }
}

TEST(SharedMemory, IsNotMappedBehindTheEndOfItsFile) {
  const Descriptor file = make_memory_file("short", 4096);
  EXPECT_NO_THROW(SharedMemory(file, 4096));
  EXPECT_THROW(SharedMemory(file, 8192), Fault);
}

}  // namespace
}  // namespace lockstep
