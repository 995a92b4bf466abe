#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

task_state() { scontrol show job -o "${job}_$1" | tr ' ' '\n' | sed -n 's/^JobState=//p' | head -1; }
all_ended() { [ "$(squeue -h -j "$job" -o %A 2>/dev/null | wc -l)" = 0 ]; }

claims 'g2: of an array each task trains a run of its own, and only the task that was told to stop is requeued'
run="$scratch/task-{array_task}"
slow 10000
submit --array=0-2 --ntasks=1 --time=10 --output="$scratch/job-%a.log"
eventually 60 at_step 20 "$scratch/task-2"
scancel -b -s USR1 "${job}_2"
eventually 120 all_ended
for task in 0 1 2; do
  equal COMPLETED "$(task_state $task)" "state of task $task"
  equal "$((task == 2))" "$(field Restarts "${job}_$task")" "requeues of task $task"
  same_bits "$scratch/task-$task"
done

claims 'g1: an array in one run directory: one task trains, the others end with 77'
run=$scratch/one
slow 5000
submit --array=0-2 --ntasks=1 --time=10 --output="$scratch/one-%a.log"
eventually 120 all_ended
equal 'COMPLETED FAILED FAILED' "$(for task in 0 1 2; do task_state $task; done | sort | xargs)" states
same_bits

claims 'g3: an array with one task at a time is a chain in one run directory'
run=$scratch/chain
submit --array=0-2%1 --ntasks=2 --time=10 --output="$scratch/chain-%a.log"
eventually 120 all_ended
equal 'COMPLETED COMPLETED COMPLETED' "$(for task in 0 1 2; do task_state $task; done | xargs)" states
contains "$(cat chain-2.log)" 'nothing trained'
same_bits
nothing_left

finish
