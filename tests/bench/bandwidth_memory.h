// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace lockstep::bench {

// Where what is reduced lies on a GPU: CMake compiles either nccl/bandwidth_memory.cpp or
// bandwidth_memory_none.cpp.

// Zeros in memory of the current CUDA device, until the last copy goes. Throws Fault (69) without CUDA.
std::shared_ptr<void> zeros_on_device(std::size_t bytes);

// Of the current CUDA device: "NVIDIA H200, NCCL 2.28.9".
std::string device_words();

}  // namespace lockstep::bench
