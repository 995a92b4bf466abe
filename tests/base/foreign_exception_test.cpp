// SPDX-License-Identifier: Apache-2.0
#include "base/foreign_exception.h"

#include <gtest/gtest.h>

#include <map>
#include <new>
#include <system_error>

namespace c10 {
// What LibTorch's own looks like from here, where there is no LibTorch.
class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};
}  // namespace c10

namespace lockstep {
namespace {

template <class Work>
ForeignException thrown_by(const Work& work) {
  try {
    work();
  } catch (...) {
    return foreign_exception();
  }
  return {};
}

TEST(ForeignException, SaysTypeAndWords) {
  EXPECT_EQ(thrown_by([] { (void)std::map<int, int>().at(1); }).text, "std::out_of_range: map::at");
  EXPECT_EQ(thrown_by([] { throw 42; }).text, "an exception of type int");
  EXPECT_EQ(thrown_by([] { throw std::runtime_error(""); }).text, "std::runtime_error");
}

TEST(ForeignException, LeavesOutTheTraceOfLibTorch) {
  const auto found =
      thrown_by([] { throw c10::Error("shapes differ\nException raised from f at g.cpp:1\nframe #0"); });
  EXPECT_EQ(found.text, "c10::Error: shapes differ");
  EXPECT_EQ(found.kind, ForeignException::Kind::kLibTorch);
}

TEST(ForeignException, KnowsMemoryAndHowMuchWasAsked) {
  using Kind = ForeignException::Kind;
  EXPECT_EQ(thrown_by([] { throw std::bad_alloc(); }).kind, Kind::kOutOfMemory);
  const auto host = thrown_by([] {
    throw c10::Error(
        "[enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate memory: you tried "
        "to allocate 40000000000 bytes. Error code 12 (Cannot allocate memory)");
  });
  EXPECT_EQ(host.kind, Kind::kOutOfMemory);
  EXPECT_EQ(host.asked, "40000000000 bytes");
  const auto device = thrown_by(
      [] { throw c10::Error("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total of 1"); });
  EXPECT_EQ(device.kind, Kind::kOutOfMemory);
  EXPECT_EQ(device.asked, "20.00 GiB");
  EXPECT_EQ(thrown_by([] { throw std::runtime_error("the attic is out of memory"); }).kind, Kind::kOther);
  const Fault fault = out_of_memory(host, "forward", "Lower train.micro_batch");
  EXPECT_EQ(fault.code(), ExitCode::kCannotStart);
  EXPECT_EQ(fault.fact(), "out of memory: forward, 40000000000 bytes were asked for");
}

TEST(ForeignException, KnowsThatNoThreadCouldBeMade) {
  const auto no_thread = std::make_error_code(std::errc::resource_unavailable_try_again);
  try {
    thrown_by([&] { throw std::system_error(no_thread); });
    ADD_FAILURE() << "it is the end of the process";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kCannotStart);
    EXPECT_NE(fault.remedy().find("ulimit -u"), std::string::npos) << fault.remedy();
  }
  const auto other = std::make_error_code(std::errc::invalid_argument);
  EXPECT_EQ(thrown_by([&] { throw std::system_error(other); }).kind, ForeignException::Kind::kOther);
}

TEST(ForeignException, PassesOnWhatIsOurs) {
  EXPECT_THROW(thrown_by([] { throw Fault(ExitCode::kStorage, "disk"); }), Fault);
  EXPECT_THROW(thrown_by([] { throw Bug("contract"); }), Bug);
}

}  // namespace
}  // namespace lockstep
