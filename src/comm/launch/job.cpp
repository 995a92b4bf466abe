// SPDX-License-Identifier: Apache-2.0
#include "comm/launch/job.h"

#include <fmt/format.h>

#include <utility>

#include "comm/agree.h"
#include "comm/loopback/loopback_world.h"
#include "comm/mpi/mpi_session.h"

namespace lockstep {
namespace {

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
  World world = host_world(options.launch);
  // A rank alone with a GPU would wait for the others inside NCCL's start.
  agree_same(world, "the device to train on", options.cuda ? "cuda" : "cpu", ExitCode::kConfig);
  together(world, [&] { check_backend(options); });
  if (!options.cuda) return world;
  auto device = make_device_communicator(world.place(), world.host(), options.device);
  return std::move(world).with_device(std::move(device));
}

void leave_job() {
  finish_mpi();
}

void abort_job(ExitCode code) noexcept {
  abort_mpi(code);
}

}  // namespace lockstep
