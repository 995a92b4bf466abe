#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

claims 'e: a config that is wrong is not requeued, and leaves nothing behind'
submit --ntasks=2 --time=10 -- optim.lrr=1
ends_with FAILED 30
equal 78:0 "$(field ExitCode)" 'code: unknown key'
equal no "$([ -e "$run" ] && echo yes || echo no)" 'a run directory'
submit --ntasks=2 --time=10 -- train.micro_batch=96
ends_with FAILED 30
equal 78:0 "$(field ExitCode)" 'code: more ranks than micro-batches'

claims 'f: a run that diverges is not requeued'
submit --ntasks=2 --time=10 -- optim.lr=1e30 train.grad_clip=0 run.on_end="echo \$LOCKSTEP_CODE >>$scratch/told"
ends_with FAILED 60
equal 93:0 "$(field ExitCode)" 'code: diverged'
equal 0 "$(field Restarts)" requeues
equal 93 "$(cat told)" 'what run.on_end was told'

claims 'j: a rank that dies at the same step each time ends with 93, over all lives of the job'
run=$scratch/j
export LOCKSTEP_FAULT=kill@rank=1,step=20
submit --ntasks=2 --time=10
ends_with FAILED 120
equal 93:0 "$(field ExitCode)" 'code: no progress'
nothing_left

finish
