#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The attempt that stands by under `lockstep run`: real ranks, killed in every order, and nothing of them is left.
# shellcheck source=tests/launch/assert.sh
. "$(dirname "${BASH_SOURCE[0]}")/assert.sh"

lockstep=${LOCKSTEP_TEST_BINARY:-$repo/build/dev/src/lockstep}
export LOCKSTEP_RUN_BACKOFF_MS=20
TMPDIR=$(mktemp -d /tmp/ls.XXXX)  # short: a socket's path has room for 107 characters
export TMPDIR
supervisor=''
trap '[ -z "$supervisor" ] || kill -TERM "$supervisor" 2>/dev/null; rm -rf "$scratch" "$TMPDIR"' EXIT
cd "$scratch" || exit 1

of='' memory=''
words=("$repo/tests/slurm/tiny.yaml" train.steps=1000 train.eval_every=0 checkpoint.every_steps=40)
# LIVES: the first lives take ten milliseconds and more a step, the later ones go through.
slow_lives() {
  local life plan=
  for ((life = 1; life <= $1; life++)); do plan+="lag@rank=0,attempt=$life;"; done
  export LOCKSTEP_FAULT=${plan%;}
}
# begin RUN [OPTION…]: in the background, the ranks' number among the options.
begin() {
  run=$scratch/$1
  shift
  "$lockstep" run "$@" "${words[@]}" run.dir="$run" >"$run.log" 2>&1 </dev/null &
  supervisor=$!
}
end() {
  wait "$supervisor"
  code=$?
  output=$(cat "$run.log")
}
record() { sed -E 's/.*"sessions":\[(.*)\],"start".*/\1/' "$run/supervisor.json" 2>/dev/null; }
# Of the attempt, and of the one that stands by.
mpiruns() { record | grep -oE '"session":[0-9]+' | cut -d : -f 2; }
mpirun_now() { mpiruns | sed -n 1p; }
mpirun_next() { mpiruns | sed -n 2p; }
ranks_of() { cat "/proc/$1/task/$1/children" 2>/dev/null; }
# bear MPIRUN NAMES: its ranks do.
bear() { [ "$(for one in $(ranks_of "$1"); do cat "/proc/$one/comm"; done | xargs)" = "$2" ]; }
# rank_of MPIRUN RANK
rank_of() {
  local process
  for process in $(ranks_of "$1"); do
    if grep -qzxs "OMPI_COMM_WORLD_RANK=$2" "/proc/$process/environ"; then echo "$process"; fi
  done
}
waits() { [ -n "$(find "/proc/$1/fd" -lname '*/gate' -print -quit 2>/dev/null)" ]; }
# stands_by RANKS: all of them are at the gate.
stands_by() {
  local process count=0
  [ -n "$(mpirun_next)" ] || return 1
  for process in $(ranks_of "$(mpirun_next)"); do
    waits "$process" || return 1
    count=$((count + 1))
  done
  [ "$count" = "$1" ]
}
gone() {
  local process
  for process in "$@"; do
    case $(awk '{print $3}' "/proc/$process/stat" 2>/dev/null) in '' | Z) ;; *) return 1 ;; esac
  done
}
all_of() { echo "$1 $(ranks_of "$1")" | xargs; }
everybody() { for one in $(mpiruns); do all_of "$one"; done | xargs; }
stood_by() { sed -nE 's/.*"event":"attempt_begin".*"standby":(true|false).*/\1/p' "$run/events.jsonl" | xargs; }
in_memory() { record | grep -oE '/dev/shm/lockstep-[A-Za-z0-9]{6}'; }
# nothing_left PROCESSES FOLDERS: of these lists, and in TMPDIR.
nothing_left() {
  # shellcheck disable=SC2086  # a list
  gone $1 || fail "a process is left of $1"
  local folder
  for folder in $2; do equal no "$([ -e "$folder" ] && echo yes || echo no)" "left: $folder"; done
  equal '' "$(ls "$TMPDIR")" 'left in TMPDIR'
}

"$lockstep" train "${words[@]}" run.dir="$scratch/undisturbed" >/dev/null 2>&1

claims 'a killed rank twice: each time the attempt that stood by goes on, and ends with the same bits'
slow_lives 2
begin twice -n 2
for life in 1 2; do
  eventually 30 grep -qs "\"attempt\":$life,\"event\":\"attempt_trains\"" "$run/events.jsonl"
  eventually 30 stands_by 2
  was=$(mpirun_next) of="$of $(everybody)" memory="$memory $(in_memory)"
  kill -KILL "$(rank_of "$(mpirun_now)" 1)"
  next_goes_on() { [ "$(mpirun_now)" = "$was" ]; }
  eventually 30 next_goes_on
  eventually 10 bear "$was" 'lockstep lockstep'
done
end
equal 0 "$code" "code ($output)"
equal 'false true true' "$(stood_by)" 'attempts that stood by'
equal "$(cat "$scratch/undisturbed/DONE")" "$(cat "$run/DONE")" 'end of the run'
lacks "$output" 'mpirun'
nothing_left "$of" "$memory"

claims 'ranks that wait take no processor time, and who looks for ranks by name does not find them'
slow_lives 1
begin idle -n 2
eventually 30 stands_by 2
eventually 10 bear "$(mpirun_now)" 'lockstep lockstep'
eventually 10 bear "$(mpirun_next)" 'lockstep-waits lockstep-waits'
ticks() { for one in $(ranks_of "$(mpirun_next)"); do cut -d ' ' -f 14,15 "/proc/$one/stat"; done | xargs; }
before=$(ticks)
sleep 0.5
equal "$before" "$(ticks)" 'ticks of two ranks'

claims 'a stop while an attempt stands by: saved, and nothing is left'
of=$(everybody) memory=$(in_memory)
equal 6 "$(wc -w <<<"$of")" processes
kill -TERM "$supervisor"
end
equal 75 "$code" "code ($output)"
nothing_left "$of" "$memory"

claims 'a supervisor that is killed takes the attempt that stands by with it, and its successor the rest'
begin orphans -n 2
eventually 30 stands_by 2
of=$(everybody) memory=$(in_memory) waiting=$(all_of "$(mpirun_next)")
kill -KILL "$supervisor"
wait "$supervisor" 2>/dev/null
# shellcheck disable=SC2086
eventually 10 gone $waiting
# What they say finds no reader meanwhile; mpirun ends at its tenth broken pipe.
saves=$(grep -c checkpoint_saved "$run/events.jsonl")
more_saves() { [ "$(grep -c checkpoint_saved "$run/events.jsonl")" -ge $((saves + 6)) ]; }
eventually 60 more_saves
unset LOCKSTEP_FAULT
begin orphans -n 2
end
equal 0 "$code" "code ($output)"
contains "$output" 'the supervisor before this one was killed'
equal "$(cat "$scratch/undisturbed/DONE")" "$(cat "$run/DONE")" 'end of the run'
nothing_left "$of" "$memory"

claims 'one that has lost a rank, before or in the same moment, is left: the next attempt starts anew'
slow_lives 2
begin lost -n 2
eventually 30 stands_by 2
next=$(mpirun_next)
kill -KILL "$(rank_of "$next" 0)"
eventually 10 gone "$next"
kill -KILL "$(rank_of "$(mpirun_now)" 1)"
second_stands_by() { [ "$(mpirun_next)" != "$next" ] && stands_by 2; }
eventually 30 second_stands_by
kill -KILL "$(rank_of "$(mpirun_next)" 1)" "$(rank_of "$(mpirun_now)" 1)"
end
equal 0 "$code" "code ($output)"
equal 'false false false' "$(stood_by)" 'attempts that stood by'
equal "$(cat "$scratch/undisturbed/DONE")" "$(cat "$run/DONE")" 'end of the run'
equal '' "$(ls "$TMPDIR")" 'left in TMPDIR'

claims 'it has the number of ranks of the attempt that it stands by for'
slow_lives 1
begin fewer -n 2,1
eventually 30 stands_by 1
kill -KILL "$(rank_of "$(mpirun_now)" 1)"
end
equal 0 "$code" "code ($output)"
equal 'false true' "$(stood_by)" 'attempts that stood by'
equal "$(cat "$scratch/undisturbed/DONE")" "$(cat "$run/DONE")" 'end of the run'

claims 'of a program that was replaced meanwhile the new one is started'
printf '#!/bin/sh\nexec "%s" "$@"\n' "$lockstep" >rank
chmod +x rank
LOCKSTEP_BIN=$scratch/rank begin replaced -n 2
eventually 30 stands_by 2
of=$(all_of "$(mpirun_next)")
cp -p rank rank.new && mv rank.new rank
kill -KILL "$(rank_of "$(mpirun_now)" 1)"
end
equal 0 "$code" "code ($output)"
equal 'false false' "$(stood_by)" 'attempts that stood by'
nothing_left "$of" ''

claims '--no-standby: nobody waits'
begin none -n 2 --no-standby
eventually 30 grep -qs '"event":"attempt_trains"' "$run/events.jsonl"
eventually 30 grep -qs '"event":"checkpoint_saved"' "$run/events.jsonl"
sleep 0.5
equal 1 "$(mpiruns | wc -l)" sessions
equal 1 "$(wc -w <"/proc/$supervisor/task/$supervisor/children")" 'children of the supervisor'
kill -KILL "$(rank_of "$(mpirun_now)" 1)"
end
equal 0 "$code" "code ($output)"
equal 'false false' "$(stood_by)" 'attempts that stood by'

finish
