# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests on a real Slurm share: slurm/dev-cluster runs, a job of tests/slurm/tiny.yaml in a folder of its own, and
# the hash of the undisturbed run to compare with. Needs LOCKSTEP_BIN and SLOW_ALLREDUCE (the library), which CMake gives.
# shellcheck source=tests/launch/assert.sh
. "$(dirname "${BASH_SOURCE[0]}")/../launch/assert.sh"

cluster=$repo/slurm/dev-cluster
eval "$("$cluster" env)"
cluster_dir=$(dirname "$SLURM_CONF")
# Between two nodes there is TCP alone, and each node is one host.
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp OMPI_MCA_mpi_yield_when_idle=1
unset OMPI_MCA_btl_tcp_if_include OMPI_MCA_oob_tcp_if_include
cd "$scratch" || exit 1
cp "$repo/tests/slurm/tiny.yaml" "$scratch/"
run=$scratch/run
job=''

clean_up() {
  local id
  for id in $(squeue -h -o %A 2>/dev/null | sort -u); do scancel -s KILL "$id"; scancel "$id"; done 2>/dev/null
  "$cluster" start-controller
  "$cluster" join-node n1
  "$cluster" join-node n2
  if [ "$failures" -ne 0 ]; then
    mkdir -p "$cluster_dir/failed"
    rm -rf "$cluster_dir/failed/${0##*/}"
    cp -r "$scratch" "$cluster_dir/failed/${0##*/}"
    tail -n 40 "$scratch"/*.log
    scontrol show job -o "$job" 2>/dev/null
  fi
  rm -rf "$scratch"
}
trap clean_up EXIT

# slow MICROSECONDS: of each all-reduce, about three a step.
slow() { export LD_PRELOAD_RANKS=$SLOW_ALLREDUCE SLOW_US=$1; }

# submit [SBATCH OPTION…] [-- key=value…]: the job of slurm/train.sbatch; its id in `job`, what it says in `$scratch/job.log`.
submit() {
  local options=()
  while [ "$#" -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
  [ "$#" -eq 0 ] || shift
  job=$(LD_PRELOAD=${LD_PRELOAD_RANKS:-} sbatch --parsable --output="$scratch/job.log" "${options[@]}" "$repo/slurm/train.sbatch" tiny.yaml run.dir="$run" "$@")
  [ -n "$job" ] || fail 'sbatch gave no job'
}

field() { scontrol show job -o "${2:-$job}" | tr ' ' '\n' | sed -n "s/^$1=//p" | head -1; }
state() { field JobState "${1:-$job}"; }
is_state() { [ "$(state "${2:-$job}")" = "$1" ]; }
log_says() { grep -q -- "$1" "$scratch/job.log" 2>/dev/null; }
# Has training passed this step, in any attempt?
at_step() {
  tail -1 "${2:-$run}/metrics.jsonl" 2>/dev/null |
    awk -v want="$1" 'match($0, /"step": ?[0-9]+/) { split(substr($0, RSTART, RLENGTH), part, ":"); at = part[2] + 0 } END { exit at < want }'
}
ended() { case $(state "${1:-$job}") in COMPLETED | FAILED | CANCELLED | TIMEOUT | NODE_FAIL | OUT_OF_MEMORY | BOOT_FAIL) true ;; *) false ;; esac; }
ends_with() { # STATE SECONDS: the job ends within SECONDS, in this state
  eventually "$2" ended && equal "$1" "$(state)" 'state of the job'
}
hash_of() { sed -nE 's/.*"state_hash": ?"([0-9a-f]+)".*/\1/p' "$1/DONE"; }

# same_bits [RUN]: it is done, and as the undisturbed run.
# Which bits are right is said by this binary with this config: the folder outlives both, and an older one's run is none to compare with.
undisturbed=$cluster_dir/undisturbed.$(cat "$LOCKSTEP_BIN" "$repo/tests/slurm/tiny.yaml" | sha256sum | cut -c1-16)
same_bits() {
  if [ ! -e "$undisturbed/DONE" ]; then
    "$LOCKSTEP_BIN" train -c tiny.yaml run.dir="$undisturbed" >/dev/null 2>&1
  fi
  equal "$(hash_of "$undisturbed")" "$(hash_of "${1:-$run}")" 'state hash'
}

# nothing_left: no process of a job remains on either node.
no_ranks() { ! pgrep -f "$run" >/dev/null; }
nothing_left() { eventually 20 no_ranks; }
