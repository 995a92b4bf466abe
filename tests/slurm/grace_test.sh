#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

preempt() { sbatch -p high --nodes=2 --exclusive --output=/dev/null --wrap 'sleep 1' >/dev/null; }
restarted() { [ "$(field Restarts)" = "$1" ]; }

claims 'b2: a preemption with GraceTime is saved in the grace, and the job goes on'
slow 20000
submit --ntasks=2 --time=10
eventually 40 at_step 30
preempt
eventually 60 restarted 1
contains "$(cat job.log)" 'stopped: saved at step'
ends_with COMPLETED 90
same_bits

claims 'b4: three preemptions without grace before the first checkpoint are nobody'"'"'s fruitless attempts'
run=$scratch/b4
submit -p nograce --ntasks=2 --time=10
for life in 1 2 3; do
  eventually 60 is_state RUNNING
  sleep 0.5
  preempt
  eventually 60 restarted "$life"
done
ends_with COMPLETED 120
equal 3 "$(field Restarts)" preemptions
same_bits
nothing_left

finish
