#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

claims 'm1: the controller is away when a rank is killed: the others end all the same, and the job goes on when it is back'
slow 20000
export LOCKSTEP_FAULT="kill@rank=1,step=100,file=$scratch/fired"
submit -p nograce --ntasks=2 --time=10
eventually 40 at_step 30
"$cluster" stop-controller
eventually 60 test -s "$scratch/fired"
sleep 60
"$cluster" start-controller
ends_with COMPLETED 150
equal 1 "$(wc -l <fired)" 'faults injected'
equal 0 "$(field Restarts)" requeues
same_bits
nothing_left

finish
