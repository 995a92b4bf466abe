# SPDX-License-Identifier: Apache-2.0
# What the tests of the examples share. Sourced with: PROGRAM LOCKSTEP WORK.
set -euo pipefail
program=$1 lockstep=$2 work=$3

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
rm -rf "$work"
mkdir -p "$work"
cd "$work"

# at RANKS DIR STEPS: runs the program under mpirun, and prints the state hash it ends with.
at() {
  timeout 120 mpirun -q --oversubscribe --bind-to none --mca pml ob1 --mca btl self,vader -n "$1" "$program" "$2" "$3" \
    >"$2.log" 2>&1 || fail "$1 ranks in $2: $(tail -5 "$2.log")"
  hash_of "$2"
}

hash_of() {
  sed -n 's/.*"state_hash":"\([0-9a-f]*\)".*/\1/p' "$1/DONE"
}

# same A B WHAT
same() {
  [[ -n $1 && $1 == "$2" ]] || fail "$3: state $2, expected $1"
}

# one_state STEPS AT: one state at 1 and 3 ranks, and under the supervisor when rank 1 of 2 is killed at step AT.
one_state() {
  local whole
  whole=$(at 1 one "$1")
  same "$whole" "$(at 3 three "$1")" "3 ranks"
  LOCKSTEP_FAULT="kill@rank=1,step=$2,attempt=1,file=$work/fired" timeout 100 "$lockstep" run -n 2 -- "$program" killed "$1" \
    >killed.log 2>&1 || fail "under lockstep run: $(tail -5 killed.log)"
  [[ -s fired ]] || fail "nothing was killed"
  same "$whole" "$(hash_of killed)" "killed at step $2"
}
