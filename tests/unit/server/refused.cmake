# Compiles SOURCE with CASE_<CASE> and fails unless the compiler refuses it with MESSAGE; without one, unless it accepts it.
separate_arguments(flags UNIX_COMMAND "${FLAGS}")
execute_process(
  COMMAND ${CXX} -std=c++23 -fsyntax-only ${flags} -DCASE_${CASE} ${SOURCE}
  RESULT_VARIABLE refused OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT MESSAGE)
  if(refused)
    message(FATAL_ERROR "${CASE}: must compile:\n${output}")
  endif()
elseif(NOT refused)
  message(FATAL_ERROR "${CASE}: compiles, and must not")
else()
  string(FIND "${output}" "${MESSAGE}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${CASE}: refused for another reason than '${MESSAGE}':\n${output}")
  endif()
endif()
