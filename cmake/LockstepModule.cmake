# SPDX-License-Identifier: Apache-2.0
# lockstep_module(NAME [TORCH] [DEPENDS targets…]): the static library lockstep_NAME from the folder this is called in.
# Files below nccl/ belong to LOCKSTEP_CUDA builds only. TORCH modules share one precompiled header.
function(lockstep_module name)
  cmake_parse_arguments(ARG "TORCH" "" "DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/nccl/")
  add_library(lockstep_${name} STATIC ${sources})
  add_library(Lockstep::${name} ALIAS lockstep_${name})
  target_include_directories(lockstep_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(lockstep_${name} PUBLIC ${ARG_DEPENDS} PRIVATE $<BUILD_INTERFACE:lockstep_flags>)
  if(ARG_TORCH)
    target_link_libraries(lockstep_${name} PUBLIC lockstep_torch)
    lockstep_use_torch_pch(lockstep_${name})
  endif()
  set_property(GLOBAL APPEND PROPERTY LOCKSTEP_MODULES lockstep_${name})
endfunction()

function(lockstep_use_torch_pch target)
  if(NOT TARGET lockstep_torch_pch)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/torch_pch.cpp CONTENT "// carries the precompiled header\n")
    add_library(lockstep_torch_pch STATIC ${PROJECT_BINARY_DIR}/torch_pch.cpp)
    target_link_libraries(lockstep_torch_pch PUBLIC lockstep_torch PRIVATE $<BUILD_INTERFACE:lockstep_flags>)
    target_precompile_headers(lockstep_torch_pch PRIVATE <torch/torch.h>)
  endif()
  # Executables default to -fPIE, and the header was compiled with -fPIC; the last of the two counts.
  target_compile_options(${target} PRIVATE -fPIC)
  target_precompile_headers(${target} REUSE_FROM lockstep_torch_pch)
endfunction()
