#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

claims 'a5: a step that outlives the time limit costs no TIMEOUT: the job is back in the queue before'
slow 20000000
submit --ntasks=2 --time=1
is_back() { [ "$(field Restarts)" = 1 ]; }
eventually 130 is_back
contains "$(cat job.log)" "back into the queue"
lacks "$(state)" TIMEOUT
scancel "$job"
eventually 30 ended
nothing_left

finish
