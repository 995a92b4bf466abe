# SPDX-License-Identifier: Apache-2.0
# find_package(Lockstep) from outside gives Lockstep::lockstep: all modules, with everything they link.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Lockstep)
get_property(modules GLOBAL PROPERTY LOCKSTEP_MODULES)
foreach(module IN LISTS modules)
  string(REPLACE lockstep_ "" name ${module})
  set_target_properties(${module} PROPERTIES EXPORT_NAME ${name})
endforeach()
if(TARGET lockstep_comm_nccl)
  list(APPEND modules lockstep_comm_nccl)
endif()

add_library(lockstep_all INTERFACE)
add_library(Lockstep::lockstep ALIAS lockstep_all)
set_target_properties(lockstep_all PROPERTIES EXPORT_NAME lockstep)
target_compile_features(lockstep_all INTERFACE cxx_std_20)
target_link_libraries(lockstep_all INTERFACE ${modules})
if(LOCKSTEP_CUDA)
  target_link_libraries(lockstep_all INTERFACE lockstep_cuda_deps)
endif()

install(TARGETS lockstep_all ${modules} EXPORT LockstepTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS lockstep RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/lockstep DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# Each finds bin/lockstep from where it lies, so the tree can be moved as a whole.
set(share_folder ${CMAKE_INSTALL_DATAROOTDIR}/lockstep)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/launch/run DESTINATION ${share_folder}/launch)
install(FILES ${PROJECT_SOURCE_DIR}/launch/lib.sh DESTINATION ${share_folder}/launch)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/slurm/train.sbatch DESTINATION ${share_folder}/slurm)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples DESTINATION ${share_folder})
install(EXPORT LockstepTargets NAMESPACE Lockstep:: DESTINATION ${package_folder})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/LockstepConfig.cmake.in ${PROJECT_BINARY_DIR}/LockstepConfig.cmake
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/LockstepConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/LockstepConfig.cmake ${PROJECT_BINARY_DIR}/LockstepConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/LockstepDependencies.cmake DESTINATION ${package_folder})
