#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# serial_test.sh PROGRAM LOCKSTEP WORK: a program without MPI comes back from a kill with the same state and counter.
source "$(dirname "${BASH_SOURCE[0]}")/example.sh"
timeout 60 "$program" whole 60 >whole.log 2>&1 || fail "$(tail -5 whole.log)"
code=0
LOCKSTEP_FAULT="kill@point=ckpt.before_rename,step=40,attempt=1,file=$work/fired" timeout 60 "$program" killed 60 >killed.log 2>&1 || code=$?
[[ $code == 137 && -s fired ]] || fail "it was not killed in its save (code $code): $(tail -3 killed.log)"
timeout 60 "$program" killed 60 >again.log 2>&1 || fail "$(tail -5 again.log)"
same "$(hash_of whole)" "$(hash_of killed)" "killed in the save of step 40"
same "$(grep large whole.log)" "$(grep large again.log)" "the program's own counter"
