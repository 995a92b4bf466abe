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

claims 'F15: a link that is cut in a save: what some ranks have written of it is not committed'
"$cluster" join-node n2
rm -rf "$run"
echo "slow@rank=2,step=50,attempt=1,point=ckpt.before_shard,file=$scratch/fired" >fault
begin -n auto checkpoint.layout=sharded
eventually 60 test -s fired
"$cluster" cut-node n2
ends_well
equal 1 "$(wc -l <fired)" 'faults injected'
saves=$(grep '"event":"checkpoint_saved"' "$run/events.jsonl")
equal 0 "$(grep '"attempt":1' <<<"$saves" | grep -c '"step":50')" 'commits of the step that was cut'
equal 1 "$(grep '"attempt":1' <<<"$saves" | grep -c '"step":25')" 'commits of the one before'

finish
