# SPDX-License-Identifier: MIT
# How every target of Skep is compiled, and who may see whom.

# Language, warnings and sanitizers, by way of a target: nothing is set for programs that embed this project.
add_library(skep_strict INTERFACE)
target_compile_features(skep_strict INTERFACE c_std_17)
target_compile_options(skep_strict INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
  $<$<BOOL:${SKEP_WERROR}>:-Werror>)
if(SKEP_SANITIZE)
  target_compile_options(skep_strict INTERFACE
    -fsanitize=${SKEP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(skep_strict INTERFACE -fsanitize=${SKEP_SANITIZE})
endif()

# The rooms' private headers, and the arrows between them: proto <- lib <- broker.
foreach(room IN ITEMS proto lib broker)
  add_library(skep_inside_${room} INTERFACE)
  target_include_directories(skep_inside_${room} INTERFACE ${PROJECT_SOURCE_DIR}/${room})
  target_compile_definitions(skep_inside_${room} INTERFACE _GNU_SOURCE NNG_ELIDE_DEPRECATED)
  target_link_libraries(skep_inside_${room} INTERFACE skep_strict)
endforeach()
target_link_libraries(skep_inside_lib INTERFACE skep_inside_proto)
target_link_libraries(skep_inside_broker INTERFACE skep_inside_lib)

# Gives a target a room's private headers; none of it reaches those who link with the target, or the installed package.
function(skep_inside target room)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:skep_inside_${room}>)
endfunction()

# The public headers of a room, for those who link with a target.
function(skep_public_headers target room)
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/${room}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endfunction()

# What every installed library has in common.
function(skep_library target export_name)
  add_library(skep::${export_name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${export_name}
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    INSTALL_RPATH $ORIGIN)
endfunction()
