#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# slurm-ci
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# preempt: a job of partition high takes both nodes, for a moment.
preempt() { sbatch -p high --nodes=2 --exclusive --output=/dev/null --wrap 'sleep 1' >/dev/null; }
restarted() { [ "$(field Restarts)" = "$1" ]; }

claims 'b3: a preemption without grace is saved within KillWait, and the job goes on'
slow 20000
submit -p nograce --ntasks=2 --time=10
eventually 40 at_step 30
preempt
eventually 30 restarted 1
eventually 10 log_says 'stopped: saved at step'
ends_with COMPLETED 90
same_bits
nothing_left

finish
