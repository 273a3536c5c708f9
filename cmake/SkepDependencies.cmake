# SPDX-License-Identifier: MIT
# What Skep links with. skepConfig.cmake.in looks for the same things, the same way.
find_package(PkgConfig REQUIRED)
find_package(nng 1.5 CONFIG REQUIRED)
pkg_check_modules(libuv REQUIRED IMPORTED_TARGET libuv>=1.44)
include(SkepMsgpack)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson>=2.14)
pkg_check_modules(sqlite REQUIRED IMPORTED_TARGET sqlite3>=3.40)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib>=1.2.12)
pkg_check_modules(ncursesw REQUIRED IMPORTED_TARGET ncursesw>=6.0)

if(SKEP_EXAMPLES)
  pkg_check_modules(libmicrohttpd REQUIRED IMPORTED_TARGET libmicrohttpd)
  pkg_check_modules(nettle REQUIRED IMPORTED_TARGET nettle)
  pkg_check_modules(lept REQUIRED IMPORTED_TARGET lept>=1.80)
endif()
if(SKEP_TESTS)
  pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
endif()
