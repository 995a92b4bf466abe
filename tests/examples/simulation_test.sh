#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# simulation_test.sh PROGRAM LOCKSTEP WORK: batches of a simulation, the optimizer inside; one state at any number of ranks, killed and not.
source "$(dirname "${BASH_SOURCE[0]}")/example.sh"
whole=$(at 1 one 120)
same "$whole" "$(at 3 three 120)" "3 ranks"
LOCKSTEP_FAULT="kill@rank=1,step=63,attempt=1,file=$work/fired" timeout 100 "$lockstep" run -n 2 -- "$program" killed 120 \
  >killed.log 2>&1 || fail "under lockstep run: $(tail -5 killed.log)"
[[ -s fired ]] || fail "nothing was killed"
same "$whole" "$(hash_of killed)" "killed at step 63"
grep -q '"best"' <("$lockstep" ckpt ls one --json) || [[ -e one/ckpt/best ]] || fail "no best checkpoint by the metric"
