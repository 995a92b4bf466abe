#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# slurm-ci
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

claims 'i: scancel ends a job: saved, CANCELLED, and it stays so; submitted again it goes on'
slow 20000
submit --ntasks=2 --time=10
eventually 40 at_step 30
scancel "$job"
ends_with CANCELLED 20
sleep 8
equal CANCELLED "$(state)" 'state 8 s later'
equal 0 "$(field Restarts)" requeues
contains "$(cat job.log)" 'the job was cancelled and is not put back into the queue'
lacks "$(cat job.log)" 'back into the queue;'
saved=$(sed -nE 's/stopped: saved at step ([0-9]+).*/\1/p' job.log)
equal yes "$([ "${saved:-0}" -ge 30 ] && echo yes)" "saved at step '$saved'"
slow 0
submit --ntasks=2 --time=10
ends_with COMPLETED 40
contains "$(cat "$run/events.jsonl")" resumed
same_bits
nothing_left

finish
