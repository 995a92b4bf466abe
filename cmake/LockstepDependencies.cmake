# SPDX-License-Identifier: Apache-2.0
# Everything Lockstep links; installed too, for find_package(Lockstep). LibTorch comes through imported targets of our own: the config file of a CUDA wheel asks
# for nvcc and a matching toolkit, which nothing here needs.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(MPI REQUIRED COMPONENTS C)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
# Under names of our own: what pkg_check_modules sets is set where find_package(Lockstep) stands, and HDF5_LIBRARIES is a user's.
pkg_check_modules(LOCKSTEP_XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(LOCKSTEP_HDF5 REQUIRED IMPORTED_TARGET hdf5-serial)
find_package(ZLIB REQUIRED)

set(LOCKSTEP_TORCH "$ENV{LOCKSTEP_TORCH}" CACHE PATH
    "Folder of a LibTorch or of a Python torch package (it holds include/ and lib/); default: what launch/setup unpacked")
if(NOT LOCKSTEP_TORCH)
  set(LOCKSTEP_TORCH "${CMAKE_CURRENT_LIST_DIR}/../.deps/libtorch-2.11.0/torch")
  # Set by LockstepConfig.cmake: where an installed Lockstep looks.
  foreach(folder IN LISTS LOCKSTEP_TORCH_FOLDERS)
    if(EXISTS "${folder}/lib/libtorch_cpu.so")
      set(LOCKSTEP_TORCH "${folder}")
      break()
    endif()
  endforeach()
  get_filename_component(LOCKSTEP_TORCH "${LOCKSTEP_TORCH}" ABSOLUTE)
  set(LOCKSTEP_TORCH "${LOCKSTEP_TORCH}" CACHE PATH "" FORCE)
endif()
if(NOT EXISTS "${LOCKSTEP_TORCH}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "No LibTorch in ${LOCKSTEP_TORCH}. Run launch/setup, or point LOCKSTEP_TORCH at a LibTorch 2.11 folder.")
endif()

# Imported, and so found anew by whoever uses an installed Lockstep; like all others here, in that folder and below.
add_library(lockstep_torch INTERFACE IMPORTED)
# After everything else (-idirafter, as system headers): the wheel carries headers of other projects, among them a newer fmt
# whose symbols no library here has. nvcc, for whom a program has files in CUDA, knows -isystem alone.
set(lockstep_torch_order $<IF:$<COMPILE_LANGUAGE:CUDA>,-isystem,-idirafter>)
target_compile_options(lockstep_torch INTERFACE "SHELL:${lockstep_torch_order} ${LOCKSTEP_TORCH}/include"
  "SHELL:${lockstep_torch_order} ${LOCKSTEP_TORCH}/include/torch/csrc/api/include")
# The OpenMP runtime that LibTorch itself loads; one that brings none takes the system's.
file(GLOB lockstep_torch_openmp "${LOCKSTEP_TORCH}/lib/libgomp*.so*" "${LOCKSTEP_TORCH}/../torch.libs/libgomp*.so*")
list(APPEND lockstep_torch_openmp gomp)
list(GET lockstep_torch_openmp 0 lockstep_torch_openmp)
target_link_libraries(lockstep_torch INTERFACE ${LOCKSTEP_TORCH}/lib/libtorch_cpu.so ${LOCKSTEP_TORCH}/lib/libc10.so ${lockstep_torch_openmp})
# libtorch_cpu finds libcudart and libcupti beside itself at run time; only the linker cannot follow its RPATH.
target_link_options(lockstep_torch INTERFACE LINKER:--allow-shlib-undefined)

if(LOCKSTEP_CUDA)
  find_path(LOCKSTEP_CUDA_INCLUDE cuda_runtime.h REQUIRED NO_DEFAULT_PATH
            HINTS ${LOCKSTEP_TORCH}/../nvidia/cu13/include /usr/local/cuda/include)
  find_path(LOCKSTEP_NCCL_INCLUDE nccl.h REQUIRED NO_DEFAULT_PATH
            HINTS ${LOCKSTEP_TORCH}/../nvidia/nccl/include /usr/include)
  find_library(LOCKSTEP_NCCL_LIBRARY NAMES libnccl.so.2 REQUIRED NO_DEFAULT_PATH
               HINTS ${LOCKSTEP_TORCH}/../nvidia/nccl/lib /usr/lib/x86_64-linux-gnu)
  find_library(LOCKSTEP_CUDART_LIBRARY NAMES libcudart.so.13 REQUIRED NO_DEFAULT_PATH
               HINTS ${LOCKSTEP_TORCH}/../nvidia/cu13/lib /usr/local/cuda/lib64)
  add_library(lockstep_cuda_deps INTERFACE IMPORTED)
  target_include_directories(lockstep_cuda_deps SYSTEM INTERFACE ${LOCKSTEP_CUDA_INCLUDE} ${LOCKSTEP_NCCL_INCLUDE})
  # --no-as-needed: dropping torch_cuda would drop the registration of its kernels.
  target_link_libraries(lockstep_cuda_deps INTERFACE ${LOCKSTEP_NCCL_LIBRARY} ${LOCKSTEP_CUDART_LIBRARY}
    -Wl,--no-as-needed ${LOCKSTEP_TORCH}/lib/libtorch_cuda.so ${LOCKSTEP_TORCH}/lib/libc10_cuda.so -Wl,--as-needed)
endif()
