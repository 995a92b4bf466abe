#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

claims 'slurm init --chain: where nothing is requeued, each job goes on where the one before had to stop'
"$LOCKSTEP_BIN" slurm init -c tiny.yaml run.dir="$run" --chain 4 --ranks-per-node 2 --time 1 --lead 40 >train.sbatch
# Slurm looks at leads every 30 s: the first job has up to 30 s, each other one 30 s; all of the steps take some 45.
slow 70000
job=$(LD_PRELOAD=$LD_PRELOAD_RANKS sbatch --parsable --output="$scratch/chain-%a.log" train.sbatch)
gone() { [ -z "$(squeue -h -j "$job" 2>/dev/null)" ]; }
eventually 200 gone
contains "$(cat chain-1.log)" 'stopped'
equal 0 "$(grep -c 'back into the queue' chain-1.log)" 'requeues'
contains "$(cat chain-2.log)" 'resumed directory'
contains "$(cat chain-4.log)" 'nothing trained'
same_bits
nothing_left

finish
