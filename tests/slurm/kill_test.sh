#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

fault() { export LOCKSTEP_FAULT="$1,file=$scratch/fired"; rm -f "$scratch/fired"; }

claims 'c c2: a rank that is killed, aborts, crashes or leaves in silence costs a restart in the same job'
for one in kill@rank=1 abort@rank=0 segv@rank=1 exit@rank=0; do
  claim="c c2: $one"
  run=$scratch/$one
  fault "$one,step=60"
  slow 5000
  submit --ntasks=2 --time=10
  ends_with COMPLETED 60
  equal 1 "$(wc -l <fired)" 'faults injected'
  equal 0 "$(field Restarts)" requeues
  contains "$(cat job.log)" 'again in'
  mv job.log "job-$one.log"
  same_bits
done

claims 'c3: a rank that fails alone with 74 ends the job with 74'
run=$scratch/c3
fault throw@rank=1,step=20
submit --ntasks=2 --time=10
ends_with FAILED 60
equal 74:0 "$(field ExitCode)" code
equal 1 "$(wc -l <fired)" 'faults injected'
equal 0 "$(field Restarts)" requeues
nothing_left

finish
