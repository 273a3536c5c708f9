# SPDX-License-Identifier: MIT
# The installed package: libraries, headers, the command, CMake package, pkg-config files, documents.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/skep)

install(TARGETS skep_lib skep_broker skep_mock skep_command EXPORT skepTargets)
install(EXPORT skepTargets NAMESPACE skep:: DESTINATION ${package_dir})
foreach(room IN ITEMS proto lib broker)
  install(DIRECTORY ${room}/include/skep TYPE INCLUDE FILES_MATCHING PATTERN "*.h" PATTERN "*.def")
endforeach()

# A consumer of static libraries has to link what is inside them too.
set(SKEP_IS_STATIC OFF)
if(NOT BUILD_SHARED_LIBS)
  set(SKEP_IS_STATIC ON)
  install(FILES cmake/SkepMsgpack.cmake DESTINATION ${package_dir})
endif()
configure_package_config_file(cmake/skepConfig.cmake.in skepConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(skepConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/skepConfig.cmake ${PROJECT_BINARY_DIR}/skepConfigVersion.cmake
  DESTINATION ${package_dir})

# pkg-config's paths are relative to the file's own place, so that the tree can be moved.
cmake_path(SET pkgconfig_dir NORMALIZE "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig")
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${pkgconfig_dir} OUTPUT_VARIABLE SKEP_PC_PREFIX)
foreach(module IN ITEMS skep skep-broker skep-mock)
  configure_file(cmake/${module}.pc.in ${module}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${module}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# As in the source tree, so that the pages' links to each other and to the examples hold.
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PROJECT_BINARY_DIR}/docs/commands.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
install(DIRECTORY workers DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.[ch]")

set(manual_dir ${PROJECT_BINARY_DIR}/manual)
install(FILES ${manual_dir}/skep.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${manual_dir}/skep DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${manual_dir}/_skep DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${manual_dir}/skep.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
