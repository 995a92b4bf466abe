#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/two_hosts.sh
. "$(dirname "${BASH_SOURCE[0]}")/two_hosts.sh"

has_ranks() { [ "$(pids_on n1 | wc -l)" = 2 ] && [ "$(pids_on n2 | wc -l)" = 1 ]; }
anew() { rm -rf "$run"; }

claims 'H11b: a rank of the other host is killed: started again'
begin -n 3
eventually 60 at_step 30
eventually 5 has_ranks
kill -KILL "$(pids_on n2)"
ends_well
contains "$(cat job.log)" 'starting attempt 2 in 0 ms'

claims 'H11c: mpirun is killed: the ranks of the other host are ended before the next attempt begins'
anew
begin -n 3
eventually 60 at_step 30
before=$(pids_on n2)
kill -KILL "$(pgrep -f "^mpirun -n 3 .*run.dir=$run ")"
second_begins() { grep -q '"attempt":2,"event":"attempt_begin"' "$run/events.jsonl"; }
eventually 60 second_begins
checks=$((checks + 1))
! kill -0 "$before" 2>/dev/null || fail 'two generations overlap'
ends_well

claims 'H11d: all that runs on the other host is killed, its link is up: started again'
anew
begin -n 3
eventually 60 at_step 30
"$cluster" kill-node n2
ends_well
"$cluster" start-node n2

claims 'H11e: a host that does not answer is waited for: nobody is told never to restart'
anew
begin -n 3
eventually 60 at_step 30
"$cluster" cut-node n2
waited() { [ "$(grep -c 'a host cannot be reached' job.log)" -ge 4 ]; }
eventually 90 waited
"$cluster" join-node n2
ends_well

finish
