#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/two_hosts.sh
. "$(dirname "${BASH_SOURCE[0]}")/two_hosts.sh"

claims 'H11a F14: a link that is cut for good: both sides leave, and the run goes on with the ranks of the host that is left'
begin -n auto
eventually 60 at_step 30
"$cluster" cut-node n2
cut=$SECONDS
eventually 18 no_ranks_on n2
echo "n2 is empty after $((SECONDS - cut)) s"
ends_well
contains "$(cat job.log)" 'going on without it'
contains "$(cat "$run/events.jsonl")" '"event":"host_dropped"'

finish
