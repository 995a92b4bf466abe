# SPDX-License-Identifier: Apache-2.0
# Language level, warnings, caching and sanitizers, the same for every target of ours.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# -g1 keeps stacks readable and objects of LibTorch files a tenth of the size.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")

find_program(LOCKSTEP_CCACHE ccache)
if(LOCKSTEP_CCACHE)
  # A precompiled header hides its includes from ccache; these settings are the ones ccache documents for that. NOHASHDIR lets
  # the presets, and clones in other folders, share what they compile alike.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${LOCKSTEP_CCACHE})
endif()

add_library(lockstep_flags INTERFACE)
target_compile_options(lockstep_flags INTERFACE -Wall -Wextra -Werror -Wnon-virtual-dtor -Wno-missing-field-initializers)
set(LOCKSTEP_SANITIZE "" CACHE STRING "Sanitizers, as in -fsanitize=")
if(LOCKSTEP_SANITIZE)
  add_compile_options(-fsanitize=${LOCKSTEP_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${LOCKSTEP_SANITIZE})
endif()
if(LOCKSTEP_FUZZ)
  # Twice as quick to compile as the above, which is what a minute of fuzzing waits for.
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -gline-tables-only")
  add_compile_options(-fsanitize=fuzzer-no-link -fno-sanitize-recover=all)
endif()
