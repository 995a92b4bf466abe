#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `lockstep run` against its table of codes, under the real mpirun with a stand-in for the program of the ranks.
# shellcheck source=tests/launch/assert.sh
. "$(dirname "${BASH_SOURCE[0]}")/assert.sh"

lockstep=${LOCKSTEP_TEST_BINARY:-$repo/build/dev/src/lockstep}
export LOCKSTEP_BIN=$stubs/lockstep LOCKSTEP_RUN_BACKOFF_MS=20
cd "$scratch" || exit 1

# plan LINE…: a new case with these lives.
plan() {
  FAKE_DIR=$(mktemp -d "$scratch/case.XXXX")
  FAKE_RUN_DIR=$FAKE_DIR/runs/a
  export FAKE_DIR FAKE_RUN_DIR
  printf '%s\n' "$@" >"$FAKE_DIR/plan"
}
lives() { if [ -e "$FAKE_DIR/rank-0" ]; then wc -l <"$FAKE_DIR/rank-0"; else echo 0; fi; }
supervise() {
  output=$("$lockstep" run -n 2 "$@" 2>&1 </dev/null)
  code=$?
}
# begin [ARG…]: starts it in the background, with the signals as a terminal would have them.
begin() {
  env --default-signal=INT,HUP,TERM,USR1 "$lockstep" run -n 2 "$@" >"$FAKE_DIR/output" 2>&1 </dev/null &
  supervisor=$!
}
both_ranks_live() { [ "$(grep -cs "^[01] $1 " "$FAKE_DIR/lives" || true)" = 2 ]; }
end() {
  wait "$supervisor"
  code=$?
  output=$(cat "$FAKE_DIR/output")
}

for stop in 0 64 65 66 69 73 74 75 77 78 93; do
  claims "code $stop is passed on without a restart"
  plan "exit $stop" 'exit 0'
  supervise c.yaml
  equal "$stop" "$code" code
  equal 1 "$(lives)" lives
done

claims 'crashes and 76 are started again, each said in one line'
plan 'commit exit 76' 'exit 1' 'commit kill KILL' 'kill SEGV' 'exit 200' 'exit 0'
supervise c.yaml
equal 0 "$code" "code ($output)"
equal 6 "$(lives)" lives
equal 5 "$(grep -c 'starting attempt' <<<"$output")" 'lines about restarts'
contains "$output" 'attempt 1: code 76 (peer lost or hung); starting attempt 2 in 0 ms'
contains "$output" 'attempt 3: code 137 (killed by signal 9)'
contains "$output" 'attempt 4: code 139 (killed by signal 11)'

claims '70 is started again once'
plan 'commit exit 70' 'commit exit 70' 'exit 0'
supervise c.yaml
equal 70 "$code" code
equal 2 "$(lives)" lives
plan 'exit 70' 'exit 0'
supervise c.yaml
equal 0 "$code" code

claims 'three restarts in a row without a new commit end with 93'
plan 'exit 1' 'exit 1' 'exit 1' 'exit 1' 'exit 0'
supervise c.yaml
equal 93 "$code" code
equal 4 "$(lives)" lives
contains "$output" 'three restarts in a row made no new commit'

claims 'a commit starts the count and the pause anew'
plan 'exit 1' 'exit 1' 'commit exit 1' 'exit 1' 'exit 1' 'commit exit 1' 'exit 0'
supervise c.yaml
equal 0 "$code" code
equal 7 "$(lives)" lives
equal '0 20 0 20 40 0' "$(sed -nE 's/.* in ([0-9]+) ms$/\1/p' <<<"$output" | xargs)" pauses

claims 'the first restart is at once; the pause before the second is really waited'
LOCKSTEP_RUN_BACKOFF_MS=600
plan 'exit 1' 'exit 1' 'exit 0'
supervise c.yaml
stamps=$(awk '$1 == 0 {print $3}' "$FAKE_DIR/lives" | tail -2 | xargs)
checks=$((checks + 1))
[ $(((${stamps#* } - ${stamps% *}) / 1000000)) -ge 600 ] || fail "third life too early: $stamps"
LOCKSTEP_RUN_BACKOFF_MS=1
plan 'exit 1' 'commit exit 1' 'exit 1' 'exit 1' 'exit 1' 'exit 0'
supervise c.yaml
equal '0 0 1 2' "$(sed -nE 's/.* in ([0-9]+) ms$/\1/p' <<<"$output" | xargs)" pauses
equal 93 "$code" code
LOCKSTEP_RUN_BACKOFF_MS=20

claims 'both ranks run where it was started, with its arguments and a terminal flag'
plan 'exit 0'
mkdir -p "$FAKE_DIR/here" && cd "$FAKE_DIR/here" || exit 1
supervise ../c.yaml optim.lr=3e-4 'run.metadata={note: a b}'
equal 2 "$(grep -c " of 2 in $FAKE_DIR/here terminal 0 " "$FAKE_DIR/lives")" 'ranks in the folder'
equal 'train -c ../c.yaml optim.lr=3e-4 run.metadata={note: a b}' "$(cat "$FAKE_DIR/arguments")" arguments
cd "$scratch" || exit 1

claims 'a hostfile is handed to mpirun'
plan 'exit 0'
echo 'localhost slots=2' >"$FAKE_DIR/hosts"
supervise --hostfile "$FAKE_DIR/hosts" c.yaml
equal 0 "$code" code
equal 2 "$(wc -l <"$FAKE_DIR/lives")" ranks
supervise --hostfile "$FAKE_DIR/none" c.yaml
equal 66 "$code" 'code without the file'

claims '--resume holds until something new is saved, then restarts use auto'
plan 'exit 1' 'commit exit 1' 'exit 0'
supervise --run "$FAKE_RUN_DIR" --resume some/step-1 c.yaml
equal 0 "$code" code
equal "train -c c.yaml --run $FAKE_RUN_DIR --resume some/step-1
train -c c.yaml --run $FAKE_RUN_DIR --resume some/step-1
train -c c.yaml --run $FAKE_RUN_DIR --resume auto" "$(cat "$FAKE_DIR/arguments")" arguments

for signal in INT TERM HUP USR1; do
  claims "$signal becomes USR1 in every rank and gives 75"
  plan serve 'exit 0'
  begin c.yaml
  eventually 20 both_ranks_live 1
  kill -s "$signal" "$supervisor"
  end
  equal 75 "$code" code
  equal 1 "$(lives)" lives
  equal '0 1 USR1 1 1 USR1' "$(grep USR1 "$FAKE_DIR/signals" | sort | xargs)" 'signals in ranks'
done

claims 'a stop request in a pause ends it at once'
plan 'exit 1' 'exit 1' 'exit 0'
LOCKSTEP_RUN_BACKOFF_MS=30000
begin c.yaml
LOCKSTEP_RUN_BACKOFF_MS=20
eventually 20 grep -q 'starting attempt 3' "$FAKE_DIR/output"
sleep 0.3
asked=$SECONDS
kill -INT "$supervisor"
end
equal 130 "$code" code
equal 2 "$(lives)" lives
checks=$((checks + 1))
[ $((SECONDS - asked)) -le 5 ] || fail 'it slept on'

claims 'the second request says what it waits for, the third ends the ranks'
plan 'stuck' 'exit 0'
begin c.yaml
eventually 20 both_ranks_live 1
kill -INT "$supervisor"
eventually 20 grep -qs USR1 "$FAKE_DIR/signals"
kill -INT "$supervisor"
eventually 5 grep -q 'waiting for the ranks to end step 1' "$FAKE_DIR/output"
asked=$SECONDS
kill -INT "$supervisor"
end
equal 130 "$code" code
equal 1 "$(lives)" lives
contains "$output" 'third request to stop'
contains "$output" 'before it could save'
checks=$((checks + 1))
[ $((SECONDS - asked)) -le 5 ] || fail 'KILL came late'

claims 'signals of one sender within a second are one request'
plan 'serve' 'exit 0'
begin c.yaml
eventually 20 both_ranks_live 1
kill -TERM "$supervisor"
kill -HUP "$supervisor"
kill -USR1 "$supervisor"
end
equal 75 "$code" code

claims 'the time of --grace ends a job that does not stop'
plan 'stuck' 'exit 0'
begin --grace 2 c.yaml
eventually 20 both_ranks_live 1
kill -TERM "$supervisor"
end
equal 143 "$code" code
contains "$output" 'the 2 s of --grace are over'

claims 'a standard error that is gone ends nothing'
plan 'exit 1' 'exit 1' 'exit 0'
("$lockstep" run -n 2 c.yaml 2>&1 </dev/null; echo "$?" >"$FAKE_DIR/code") | head -c 1 >/dev/null
equal 0 "$(cat "$FAKE_DIR/code")" code
equal 3 "$(lives)" lives

claims 'every attempt is in events.jsonl, with its end'
plan 'commit exit 76' 'exit 1' 'exit 0'
supervise c.yaml
equal 3 "$(grep -c '"event":"attempt_begin"' "$FAKE_RUN_DIR/events.jsonl")" begins
equal '76 1 0' "$(sed -nE 's/.*"event":"attempt_end".*"code":([0-9]+).*/\1/p' "$FAKE_RUN_DIR/events.jsonl" | xargs)" codes

claims 'what MPI puts into /dev/shm and TMPDIR goes away with a killed mpirun'
plan 'stuck' 'exit 0'
TMPDIR=$(mktemp -d /tmp/ls.XXXX)  # short: a socket's path has room for 107 characters
export TMPDIR
begin c.yaml
eventually 20 both_ranks_live 1
kill -KILL "$(cut -d ' ' -f 1 "/proc/$supervisor/task/$supervisor/children")"
end
equal 0 "$code" code
equal '' "$(ls "$TMPDIR")" 'left in TMPDIR'
rmdir "$TMPDIR"
unset TMPDIR

claims 'ranks of a killed mpirun are ended before the next attempt'
plan 'stuck' 'exit 0'
begin c.yaml
eventually 20 both_ranks_live 1
kill -KILL "$(cut -d ' ' -f 1 "/proc/$supervisor/task/$supervisor/children")"
end
equal 0 "$code" "code ($output)"
equal 2 "$(lives)" lives
contains "$output" 'the launcher could not start, or was ended'
while read -r pid; do
  contains 'gone Z' "$(awk '{print $3}' "/proc/$pid/stat" 2>/dev/null || echo gone)"
done < <(sed -n '1,2s/.* pid //p' "$FAKE_DIR/lives")

claims 'its successor takes over what a killed supervisor has left: saved, stopped, then begun again'
plan 'serve' 'exit 0'
begin --run "$FAKE_RUN_DIR" c.yaml
eventually 20 both_ranks_live 1
eventually 20 test -e "$FAKE_RUN_DIR/supervisor.json"
kill -KILL "$supervisor"
end
supervise --run "$FAKE_RUN_DIR" c.yaml
equal 0 "$code" "code ($output)"
contains "$output" 'the supervisor before this one was killed'
equal '0 1 USR1 1 1 USR1' "$(grep USR1 "$FAKE_DIR/signals" | sort | xargs)" 'signals in ranks'
equal 2 "$(lives)" lives
equal no "$([ -e "$FAKE_RUN_DIR/supervisor.json" ] && echo yes || echo no)" 'record left'

claims 'a program of its own is run with its options, and judged by its code'
plan 'exit 1' 'exit 0'
supervise -- "$stubs/lockstep" --frob -n 3
equal 0 "$code" code
equal 2 "$(lives)" lives
equal "--frob -n 3
--frob -n 3" "$(cat "$FAKE_DIR/arguments")" arguments
supervise -- "$scratch/none"
equal 69 "$code" 'no such program'

claims '--unit prints a systemd unit that systemd takes'
plan 'exit 0'
supervise --unit "$repo/configs/digits.yaml" 'run.name=100%'
equal 0 "$code" code
contains "$output" '"run.name=100%%"'
printf '%s\n' "$output" >"$FAKE_DIR/lockstep.service"
if command -v systemd-analyze >/dev/null; then
  equal '' "$(systemd-analyze verify "$FAKE_DIR/lockstep.service" 2>&1 | grep -F lockstep.service)" 'what systemd says'
fi
equal 0 "$(lives)" lives

claims 'too few descriptors end it at once'
plan 'exit 0'
output=$( (ulimit -n 32; exec timeout 30 "$lockstep" run -n 2 c.yaml) 2>&1)
equal 69 "$?" code
contains "$output" 'too few open files'

claims 'what cannot start says why, in one line, and starts nothing'
plan 'exit 0'
supervise; equal 64 "$code" 'no config'
supervise --frob c.yaml; equal 64 "$code" 'unknown option'
supervise -n 0 c.yaml; equal 64 "$code" 'no ranks'
supervise a.yaml b.yaml; equal 64 "$code" 'two configs'
supervise -n auto x.yaml -- ./a; equal 64 "$code" 'a config and a program'
LOCKSTEP_BIN=$scratch/none supervise c.yaml; equal 69 "$code" 'no binary'
equal 1 "$(wc -l <<<"$output")" 'lines of the error'
echo 'version: 7' >"$FAKE_DIR/wrong.yaml"
LOCKSTEP_BIN=$lockstep supervise "$FAKE_DIR/wrong.yaml"; equal 78 "$code" 'invalid config'
LOCKSTEP_BIN=$lockstep supervise "$repo/tests/slurm/tiny.yaml" train.micro_batch=96 "run.dir=$FAKE_DIR/many"
equal 78 "$code" 'more ranks than micro-batches'
equal 1 "$(grep -c error: <<<"$output")" "lines of the error of all ranks ($output)"
cd "$FAKE_DIR" && mkdir gone && cd gone && rmdir ../gone
output=$("$repo/launch/run" -n 1 c.yaml 2>&1)
equal 69 "$?" 'no working directory'
contains "$output" 'the working directory is gone'
cd "$scratch" || exit 1
equal 0 "$(lives)" lives

claims '--help shows two examples'
output=$(LOCKSTEP_BIN=$lockstep "$repo/launch/run" --help)
equal 0 "$?" code
equal 'Examples:' "$(head -1 <<<"$output")" 'first line'

finish
