#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

restarted() { [ "$(field Restarts)" = "$1" ]; }
both_idle() { [ "$(sinfo -h -N -p high -o %T | grep -cx idle)" = 2 ]; }
worlds() { grep -oE '"ranks": ?"?[0-9]+' "$run/events.jsonl" | grep -oE '[0-9]+$' | uniq | xargs; }

for victim in n2 n1; do
  claims "d4 d6: by a script of slurm init, a job that loses $victim goes on with the ranks that one node has"
  run=$scratch/without-$victim
  "$LOCKSTEP_BIN" slurm init -c tiny.yaml run.dir="$run" --nodes 1-2 --ranks-per-node 2 --time 10 >train.sbatch
  slow 20000
  job=$(LD_PRELOAD=$LD_PRELOAD_RANKS sbatch --parsable --output="$scratch/job.log" train.sbatch)
  eventually 40 at_step 30
  equal 2 "$(field NumNodes)" nodes
  "$cluster" kill-node $victim
  eventually 90 restarted 1
  ends_with COMPLETED 150
  equal 1 "$(field NumNodes)" 'nodes of the second life'
  same_bits
  nothing_left
  mv job.log "without-$victim.log"
  "$cluster" start-node $victim
  eventually 60 both_idle
done

finish
