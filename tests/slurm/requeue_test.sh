#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

claims 'b1: requeued by hand it saves, goes on, and says nothing untrue'
slow 20000
submit --ntasks=2 --time=10 -- run.on_end="echo \$LOCKSTEP_CODE >>$scratch/told"
eventually 40 at_step 30
scontrol requeue "$job"
eventually 30 log_says 'Slurm has put the job back into the queue'
contains "$(cat job.log)" 'stopped: saved at step'
ends_with COMPLETED 60
equal 1 "$(field Restarts)" requeues
lacks "$(cat job.log)" 'submit the job again'
equal 0 "$(cat told)" 'what run.on_end was told, once'
same_bits
nothing_left

finish
