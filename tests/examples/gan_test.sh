#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gan_test.sh PROGRAM LOCKSTEP WORK: two modules and two optimizers, one state at any number of ranks, killed and not.
source "$(dirname "${BASH_SOURCE[0]}")/example.sh"
whole=$(at 1 one 60)
same "$whole" "$(at 3 three 60)" "3 ranks"
LOCKSTEP_FAULT="kill@rank=1,step=33,attempt=1,file=$work/fired" timeout 100 "$lockstep" run -n 2 -- "$program" killed 60 \
  >killed.log 2>&1 || fail "under lockstep run: $(tail -5 killed.log)"
[[ -s fired ]] || fail "nothing was killed"
same "$whole" "$(hash_of killed)" "killed at step 33"
"$lockstep" ckpt show one >show.log 2>&1
[[ $(grep -c "^  generator" show.log) == 3 && $(grep -c "^  discriminator" show.log) == 3 ]] || fail "ckpt show: $(cat show.log)"
