#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

claims 'a1 a2 a3: at each time limit the ranks save, and the job goes back into the queue, as often as it takes'
slow 110000
submit --ntasks=2 --time=1
ends_with COMPLETED 280
equal yes "$([ "$(field Restarts)" -ge 2 ] && echo yes)" "several requeues ($(field Restarts))"
contains "$(cat job.log)" 'asking the ranks to save and stop'
lacks "$(cat job.log)" 'by hand'
lacks "$(cat job.log)" 'giving up'
same_bits
nothing_left

finish
