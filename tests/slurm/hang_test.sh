#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

slow 3000
for stop in startup:1:0 data:0:60 micro_batch:1:60 reduce:0:60 ckpt.after_shard:0:50; do
  IFS=: read -r point rank step <<<"$stop"
  claims "k1: rank $rank is stopped at $point: noticed, and the job goes on"
  rm -rf "$run" fired
  export LOCKSTEP_FAULT="stop@rank=$rank,step=$step,point=$point,file=$scratch/fired"
  submit --ntasks=2 --time=10 -- watch.limit_s=8
  ends_with COMPLETED 120
  equal 1 "$(wc -l <fired)" 'faults injected'
  contains "$(cat job.log)" 'again in'
  contains "$(cat "$run/events.jsonl")" '"event":"hang"'
  same_bits
  nothing_left
done

finish
