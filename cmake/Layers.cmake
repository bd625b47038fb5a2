# Compile options and the two functions every directory uses.
include_guard()

add_library(softndk_options INTERFACE)
target_compile_options(softndk_options INTERFACE
  -Wall -Wextra -Wvla -Wno-multichar -fvisibility=hidden
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -fno-exceptions>
  $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wno-four-char-constants -Wno-shadow>
  $<$<BOOL:${SOFTNDK_WERROR}>:-Werror>)
target_compile_options(softndk_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fvisibility-inlines-hidden>)
target_compile_definitions(softndk_options INTERFACE SOFTNDK_LIBRARY=1)
target_include_directories(softndk_options INTERFACE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")

if(SOFTNDK_SANITIZE)
  set(_san -fsanitize=${SOFTNDK_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_compile_options(${_san})
  add_link_options(${_san})
endif()

if(SOFTNDK_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # so that the fuzzer sees the branches of every layer
endif()

# softndk_layer(NAME SOURCES a.cpp ... DEPENDS base io ...)
# Makes the static archive softndk_NAME. Headers included as "NAME/file.h".
function(softndk_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  if(arg_SOURCES)
    add_library(softndk_${name} STATIC ${arg_SOURCES})
    set(_kind PUBLIC)
  else()
    add_library(softndk_${name} INTERFACE)
    set(_kind INTERFACE)
  endif()
  target_link_libraries(softndk_${name} ${_kind} softndk_options)
  foreach(dep IN LISTS arg_DEPENDS)
    target_link_libraries(softndk_${name} ${_kind} softndk_${dep})
  endforeach()
  target_link_libraries(softndk_${name} ${_kind} ${arg_LIBRARIES})
endfunction()

# The target of a test's sources: a program, where this build makes one.
function(softndk_test_program name one_thread)
  if(SOFTNDK_TESTS_CHECKED_ONLY)
    add_library(${name} OBJECT ${ARGN})
    target_compile_options(${name} PRIVATE -fsyntax-only)
  elseif(one_thread AND SOFTNDK_SANITIZE MATCHES "thread")
    add_library(${name} OBJECT EXCLUDE_FROM_ALL ${ARGN})
  else()
    add_executable(${name} ${ARGN})
  endif()
endfunction()

# softndk_test(NAME SOURCES ... LAYERS ... [LABELS ...] [TIMEOUT s] [PARTS n] [ONE_THREAD])
# A GoogleTest program registered with CTest; it links the archives of the layers named and so reaches what the
# shared library hides. PARTS: its tests are dealt out to NAME_1 ... NAME_n, which run side by side.
# ONE_THREAD: there is never a second one, so that ThreadSanitizer has nothing to see and the program is not made for it.
function(softndk_test name)
  cmake_parse_arguments(arg "ONE_THREAD" "TIMEOUT;PARTS" "SOURCES;LAYERS;LABELS;LIBRARIES" ${ARGN})
  find_package(GTest REQUIRED)
  softndk_test_program(${name} "${arg_ONE_THREAD}" ${arg_SOURCES})
  foreach(layer IN LISTS arg_LAYERS)
    target_link_libraries(${name} PRIVATE softndk_${layer})
  endforeach()
  target_link_libraries(${name} PRIVATE softndk_options ${arg_LIBRARIES} GTest::gmock GTest::gtest_main)
  get_target_property(_kind ${name} TYPE)
  if(NOT _kind STREQUAL "EXECUTABLE")
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(arg_PARTS)
    foreach(part RANGE 1 ${arg_PARTS})
      math(EXPR index "${part} - 1")
      add_test(NAME ${name}_${part} COMMAND ${name})
      set_tests_properties(${name}_${part} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}"
        ENVIRONMENT "GTEST_TOTAL_SHARDS=${arg_PARTS};GTEST_SHARD_INDEX=${index}")
    endforeach()
    return()
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()

# softndk_fuzz(NAME SOURCES ... LAYERS ...): a libFuzzer target under the fuzz preset; otherwise the same source is
# linked with a driver that replays the checked-in corpus as a test.
function(softndk_fuzz name)
  cmake_parse_arguments(arg "" "CORPUS" "SOURCES;LAYERS" ${ARGN})
  softndk_test_program(${name} TRUE ${arg_SOURCES})
  foreach(layer IN LISTS arg_LAYERS)
    target_link_libraries(${name} PRIVATE softndk_${layer})
  endforeach()
  target_link_libraries(${name} PRIVATE softndk_options)
  if(SOFTNDK_FUZZ)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    # New inputs go into a directory of the build; the checked-in corpus is only read.
    set(_found "${CMAKE_CURRENT_BINARY_DIR}/${name}_found")
    file(MAKE_DIRECTORY "${_found}")
    set(_args -runs=20000 -max_total_time=20 "${_found}")
  else()
    target_sources(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz_replay.cpp")
    set(_args)
  endif()
  get_target_property(_kind ${name} TYPE)
  if(NOT _kind STREQUAL "EXECUTABLE")
    return()
  endif()
  if(arg_CORPUS)
    add_test(NAME ${name} COMMAND ${name} ${_args} "${arg_CORPUS}")
  endif()
endfunction()

# Adds a sub directory when it is there.
function(softndk_subdirectories)
  foreach(dir IN LISTS ARGN)
    if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${dir}/CMakeLists.txt")
      add_subdirectory(${dir})
    endif()
  endforeach()
endfunction()
