#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

claims 'm4: the controller is away when srun starts: the step is tried again'
slow 20000
export LOCKSTEP_FAULT="kill@rank=0,step=30,file=$scratch/fired"
submit --ntasks=2 --time=10
eventually 40 test -s "$scratch/fired"
"$cluster" stop-controller
sleep 60
"$cluster" start-controller
ends_with COMPLETED 150
equal 1 "$(wc -l <fired)" 'faults injected'
contains "$(cat job.log)" "again"
same_bits
nothing_left

finish
