#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

restarted() { [ "$(field Restarts)" = "$1" ]; }
both_idle() { [ "$(sinfo -h -N -p high -o %T | grep -cx idle)" = 2 ]; }

claims 'd2: the node with the batch script and all ranks dies: the other node goes on'
slow 20000
submit --ntasks=2 --time=10
eventually 40 at_step 30
node=$(field NodeList)
"$cluster" kill-node "$node"
eventually 90 restarted 1
ends_with COMPLETED 120
same_bits
nothing_left
"$cluster" start-node "$node"
eventually 60 both_idle

claims 'd3: the batch node is cut off while its ranks live: the next life waits for the former one, which holds the run'
run=$scratch/d3
slow 100000
submit --ntasks=2 --time=10
eventually 40 at_step 10
node=$(field NodeList)
"$cluster" cut-node "$node"
eventually 90 restarted 1
eventually 60 log_says 'an earlier attempt of this job still holds the run'
"$cluster" join-node "$node"
ends_with COMPLETED 150
same_bits
nothing_left
eventually 60 both_idle

finish
