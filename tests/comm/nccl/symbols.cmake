# SPDX-License-Identifier: Apache-2.0
# cmake -DNM=… -DLIBRARY=… -P symbols.cmake: the NCCL backend calls NCCL itself, whatever machine it was built on.
execute_process(COMMAND ${NM} --undefined-only ${LIBRARY} OUTPUT_VARIABLE undefined COMMAND_ERROR_IS_FATAL ANY)
foreach(symbol ncclAllReduce ncclReduceScatter ncclAllGather ncclBroadcast ncclSend ncclRecv ncclCommInitRankConfig
        ncclCommGetAsyncError ncclCommAbort ncclCommRegister)
  if(NOT undefined MATCHES " U ${symbol}\n")
    message(FATAL_ERROR "${symbol} is not among the undefined symbols of ${LIBRARY}")
  endif()
  message("found ${symbol}")
endforeach()
