#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

claims 'lockstep drill --slurm strikes ranks of its own batch job, which come back with the same bits'
slow 5000
job=$(LD_PRELOAD=$LD_PRELOAD_RANKS sbatch --parsable --nodes=1 --ntasks=2 --time=10 --output="$scratch/job.log" \
  --wrap "$LOCKSTEP_BIN drill --slurm -c tiny.yaml watch.limit_s=3 --kills 2 --hang --seed 3 --dir $scratch/drill")
ends_with COMPLETED 150
contains "$(cat job.log)" 'all came back with the same bits'
equal 3 "$(grep -cE '^(kill|hang) .* yes$' job.log)" 'faults in the table'
no_drill() { ! pgrep -f "$scratch/drill" >/dev/null; }
eventually 20 no_drill

claims 'on two nodes it says what it cannot do'
job=$(sbatch --parsable --nodes=2 --ntasks=2 --time=10 --output="$scratch/job.log" \
  --wrap "$LOCKSTEP_BIN drill --slurm -c tiny.yaml --dir $scratch/drill2")
ends_with FAILED 30
equal 69:0 "$(field ExitCode)" code
contains "$(cat job.log)" 'the job has 2 nodes'

finish
