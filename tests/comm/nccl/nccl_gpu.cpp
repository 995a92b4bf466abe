// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "comm/communicator_suite.h"
#include "comm/nccl/cuda_error.h"
#include "comm/nccl/nccl_communicator.h"
#include "support/ranks_main.h"

namespace lockstep {
namespace {

class DeviceMemory : public SuiteMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory() override {
    for (void* data : kept_) cudaFree(data);
  }

  void* store(const Bytes& bytes) override {
    void* data = nullptr;
    try_cuda(cudaMalloc(&data, bytes.size()), "cudaMalloc");
    kept_.push_back(data);
    try_cuda(cudaMemcpy(data, bytes.data(), bytes.size(), cudaMemcpyHostToDevice), "cudaMemcpy");
    return data;
  }

  Bytes fetch(const void* data, std::size_t bytes) override {
    Bytes host(bytes);
    if (bytes != 0) try_cuda(cudaMemcpy(host.data(), data, bytes, cudaMemcpyDeviceToHost), "cudaMemcpy");
    return host;
  }

 private:
  std::vector<void*> kept_;
};

// With NCCL_HOSTID set apart for each rank (launch/gpu-check does), several ranks may share a GPU.
Communicator& device_group() {
  static const auto group = [] {
    DeviceCommOptions options;
    options.share_devices = std::getenv("NCCL_HOSTID") != nullptr;
    options.timeout = std::chrono::seconds(50);
    return make_device_communicator(test_world().place(), test_world().host(), options);
  }();
  return *group;
}

SuiteBackend nccl() {
  SuiteBackend backend{"Nccl", [](const auto& body) {
                         DeviceMemory memory;
                         body(SuiteRank{device_group(), memory});
                       }};
  backend.reduces_int16 = false;
  backend.host_memory = false;
  return backend;
}

INSTANTIATE_TEST_SUITE_P(Gpu, CommunicatorSuite, testing::Values(nccl()),
                         [](const auto& info) { return info.param.name; });

TEST(Nccl, Int16IsNotReduced) {
  DeviceMemory memory;
  const MutableSpan data{memory.store(Bytes(8)), 4, DType::kInt16};
  EXPECT_THROW(device_group().all_reduce(data, data, ReduceOp::kSum), Bug);
}

TEST(Nccl, RegisteredMemoryIsReducedLikeAny) {
  DeviceMemory memory;
  const std::vector<float> ones(1 << 20, 1);
  const auto* bytes = reinterpret_cast<const std::byte*>(ones.data());
  const MutableSpan data{memory.store(Bytes(bytes, bytes + ones.size() * sizeof(float))), ones.size(),
                         DType::kFloat32};
  const auto registered = device_group().register_memory(data);
  device_group().all_reduce(data, data, ReduceOp::kSum);
  device_group().synchronize();
  const Bytes sums = memory.fetch(data.data, data.bytes());
  const auto world = static_cast<float>(device_group().size().value);
  for (std::size_t i = 0; i < ones.size(); ++i)
    ASSERT_EQ(reinterpret_cast<const float*>(sums.data())[i], world);
}

TEST(Nccl, MoreRanksThanGpusIsRefusedWithTheirNumber) {
  Place crowded = test_world().place();
  crowded.local_size = cuda_device_count() + 1;
  try {
    make_device_communicator(crowded, test_world().host(), {});
    FAIL() << "no rank may pass here";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kCannotStart);
    EXPECT_NE(fault.fact().find(std::to_string(cuda_device_count()) + " GPU"), std::string::npos)
        << fault.what();
  }
}

TEST(Nccl, AbortedCommunicatorFaultsAndDoesNotHang) {
  DeviceCommOptions options;
  options.share_devices = std::getenv("NCCL_HOSTID") != nullptr;
  const auto group = make_device_communicator(test_world().place(), test_world().host(), options);
  group->abort();
  EXPECT_THROW(group->barrier(), Fault);
}

}  // namespace
}  // namespace lockstep
