# What every target of the project is compiled and linked with. Nothing of it reaches an installed copy.
# A lock's own test takes it in EXPECT_TRUE(try_lock()), which clang's analysis cannot follow.
set(is_test $<BOOL:$<TARGET_PROPERTY:PUFFS_IS_TEST>>)

add_library(puffs_options INTERFACE)
target_compile_features(puffs_options INTERFACE cxx_std_23)
target_compile_options(puffs_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wswitch-enum -Wnon-virtual-dtor
  $<$<AND:$<CXX_COMPILER_ID:Clang>,$<NOT:${is_test}>>:-Wthread-safety>
  $<$<BOOL:${PUFFS_WERROR}>:-Werror>)

if(PUFFS_SANITIZE)
  target_compile_options(puffs_options INTERFACE -fsanitize=${PUFFS_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(puffs_options INTERFACE -fsanitize=${PUFFS_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 takes the size of an iovec's array for that of its first member once the code is instrumented.
    target_compile_options(puffs_options INTERFACE -Wno-stringop-overread)
    if(PUFFS_SANITIZE MATCHES "thread")
      # TSan knows no fences. Asio has them besides its mutexes, which order all that we post.
      target_compile_definitions(puffs_options INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
    endif()
  endif()
endif()

# The way of a request crosses a dozen files. The archives keep plain code besides, so that an installed copy links with
# any compiler; tests use that (tests/CMakeLists.txt), or each of them would optimise the whole project anew.
if(PUFFS_LTO)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    message(FATAL_ERROR "PUFFS_LTO needs GCC: its archives hold plain code too")
  endif()
  string(APPEND CMAKE_CXX_FLAGS " -flto=auto -ffat-lto-objects") # before the options of a folder, which may undo it
endif()

if(PUFFS_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "PUFFS_FUZZ needs clang: libFuzzer comes with it")
  endif()
  target_compile_options(puffs_options INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(puffs_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(PUFFS_RACE_POINTS)
  target_compile_definitions(puffs_options INTERFACE PUFFS_RACE_POINTS=1)
endif()
