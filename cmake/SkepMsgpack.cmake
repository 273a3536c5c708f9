# SPDX-License-Identifier: MIT
# msgpack-c as skep::msgpack, whatever its version calls itself. The installed package of static libraries includes this
# too. From 5 on its CMake package is what can be relied on: the pkg-config file names relative directories.
include_guard(DIRECTORY)
find_package(msgpack-c QUIET CONFIG)
if(TARGET msgpack-c)
  set(skep_msgpack_target msgpack-c)
  set(skep_msgpack_library msgpack-c)
else()
  pkg_check_modules(msgpack REQUIRED QUIET IMPORTED_TARGET msgpack>=4.0)
  set(skep_msgpack_target PkgConfig::msgpack)
  set(skep_msgpack_library msgpackc)
endif()
add_library(skep::msgpack INTERFACE IMPORTED)
target_link_libraries(skep::msgpack INTERFACE ${skep_msgpack_target})
