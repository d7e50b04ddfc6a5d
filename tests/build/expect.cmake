# Configures and builds the fixture with one upward reference in it (CASE) and fails unless that step fails which is to
# fail, with its message. CASE none has no upward reference and must pass.
set(message_dependency "layer 'low' depends on 'high', which is not below it")
set(message_unknown_layer "layer 'stray' is not in ")
set(message_call "undefined reference to .?high::answer")

file(REMOVE_RECURSE ${WORK})
execute_process(
  COMMAND ${CMAKE_COMMAND} -G Ninja -S ${FIXTURE} -B ${WORK} -DCASE=${CASE} -DMODULES=${MODULES}
    -DCMAKE_CXX_COMPILER=${CXX}
  RESULT_VARIABLE configured OUTPUT_VARIABLE output ERROR_VARIABLE output)
set(failed_step none)
if(NOT configured EQUAL 0)
  set(failed_step configure)
else()
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}
    RESULT_VARIABLE built OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT built EQUAL 0)
    set(failed_step build)
  endif()
endif()

set(expected_none none)
set(expected_dependency configure)
set(expected_unknown_layer configure)
set(expected_call build)
if(NOT failed_step STREQUAL expected_${CASE})
  message(FATAL_ERROR "${CASE}: expected failure in '${expected_${CASE}}', had '${failed_step}':\n${output}")
endif()
string(REGEX REPLACE "[ \n]+" " " output "${output}") # CMake wraps its messages
if(NOT output MATCHES "${message_${CASE}}")
  message(FATAL_ERROR "${CASE}: failed for another reason:\n${output}")
endif()
