# SPDX-License-Identifier: Apache-2.0
# cmake -DCXX=… -DOPTIONS=… -DFILE=… -P refused.cmake: FILE compiles as it is, and not with MISUSE defined.
execute_process(COMMAND ${CXX} -std=c++20 -fsyntax-only ${OPTIONS} ${FILE} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CXX} -std=c++20 -fsyntax-only ${OPTIONS} -DMISUSE ${FILE} RESULT_VARIABLE result
                ERROR_VARIABLE message)
if(result EQUAL 0)
  message(FATAL_ERROR "${FILE} compiles with MISUSE")
endif()
if(NOT message MATCHES "private within this context")
  message(FATAL_ERROR "${FILE} is refused, but not for its misuse:\n${message}")
endif()
