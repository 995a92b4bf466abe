#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

restarted() { [ "$(field Restarts)" = "$1" ]; }
both_idle() { [ "$(sinfo -h -N -p high -o %T | grep -cx idle)" = 2 ]; }

claims 'h d1: four ranks on two nodes; one node dies; the job waits for it and goes on, also over what the node kept in its spool'
slow 20000
submit --nodes=2 --ntasks=4 --time=10
eventually 40 at_step 30
"$cluster" kill-node n2
eventually 90 restarted 1
"$cluster" start-node n2
ends_with COMPLETED 150
lacks "$(cat job.log)" 'giving up'
same_bits
nothing_left
eventually 60 both_idle

finish
