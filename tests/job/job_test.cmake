# SPDX-License-Identifier: Apache-2.0
# lockstep_job_test(NAME LABEL [PROPERTY VALUE …]): an executable of the sources in this folder. Each case is a ctest of
# its own, with these properties, and every job in it ends itself long before ctest's limit.
function(lockstep_job_test name label)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE lockstep_test_job GTest::gtest_main lockstep_flags)
  lockstep_discover_tests(${name} ${label} 300 ${ARGN})
endfunction()
