#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# slurm-ci
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

claims 'a4: USR1 in the first second of the batch shell is not lost: one step at least, saved, and requeued'
slow 20000
submit --ntasks=2 --time=10
# From the first line of the script on. Before it, bash itself is ended by the signal, whatever a script says.
listens() { pgrep -f "run --slurm tiny.yaml run.dir=$run" >/dev/null; }
eventually 20 listens
no_ranks_yet() { [ ! -e "$run/metrics.jsonl" ]; }
no_ranks_yet || fail 'the ranks were up before the signal'
scancel -b -s USR1 "$job"
eventually 60 log_says 'back into the queue'
contains "$(cat job.log)" 'stopped: saved at step'
ends_with COMPLETED 60
equal 1 "$(field Restarts)" requeues
same_bits
nothing_left

finish
