// SPDX-License-Identifier: Apache-2.0
#include "comm/launch/job.h"

#include <fmt/format.h>

#include <utility>

#include "comm/agree.h"
#include "comm/loopback/loopback_world.h"
#include "comm/mpi/mpi_session.h"

namespace lockstep {
namespace {

// Of the process, as MPI's state is (Note [the one MPI session]). Never destroyed: a process that ends by
// exit() in the middle of a job shall not say goodbye.
Watchdog*& the_watchdog() {
  static Watchdog* watchdog = nullptr;
  return watchdog;
}

World host_world(const LaunchOptions& launch) {
  if (!launch.launched) return world_of_one();
  start_mpi();
  return mpi_world();
}

void check_backend(const JoinOptions& options) {
  const std::string& backend = options.dist.backend;
  check(backend == "auto" || backend == "mpi" || backend == "nccl", "dist.backend is auto, mpi or nccl");
  if (options.cuda && backend == "mpi") {
    throw Fault(ExitCode::kConfig, "dist.backend: mpi moves host memory, but train.device is cuda",
                "Set dist.backend: auto, or train.device: cpu");
  }
  if (!options.cuda && backend == "nccl") {
    throw Fault(ExitCode::kConfig, "dist.backend: nccl moves GPU memory, but train.device is cpu",
                "Set dist.backend: auto, or train.device: cuda");
  }
}

}  // namespace

World join_world(const JoinOptions& options) {
  if (options.watch && the_watchdog() == nullptr) the_watchdog() = new Watchdog(*options.watch);
  World world = host_world(options.launch);
  world.watch().enter(Phase::kStartUp);
  if (the_watchdog() != nullptr) the_watchdog()->join(world);
  // A rank alone with a GPU would wait for the others inside NCCL's start.
  agree_same(world, "the device to train on", options.cuda ? "cuda" : "cpu", ExitCode::kConfig);
  together(world, [&] { check_backend(options); });
  if (!options.cuda) return world;
  auto device = make_device_communicator(world.place(), world.host(), options.device);
  return std::move(world).with_device(std::move(device));
}

void report_watch_to(WatchSink sink) {
  if (the_watchdog() != nullptr) the_watchdog()->tell(std::move(sink));
}

void leave_job() {
  if (the_watchdog() != nullptr) the_watchdog()->leaving();
  finish_mpi();
  delete std::exchange(the_watchdog(), nullptr);
}

void abort_job(ExitCode code) noexcept {
  if (the_watchdog() != nullptr) the_watchdog()->say_goodbye();
  abort_mpi(code);
}

}  // namespace lockstep
