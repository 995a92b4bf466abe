#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

claims 'k1: a rank that is stopped is noticed, and the job goes on'
slow 5000
export LOCKSTEP_FAULT="stop@rank=1,step=60,file=$scratch/fired"
submit --ntasks=2 --time=10 -- watch.limit_s=8
ends_with COMPLETED 120
equal 1 "$(wc -l <fired)" 'faults injected'
contains "$(cat job.log)" 'again in'
same_bits
nothing_left

finish
