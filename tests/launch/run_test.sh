#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# launch/run against its table of codes, under the real mpirun with a stand-in for the binary.
# shellcheck source=tests/launch/assert.sh
. "$(dirname "${BASH_SOURCE[0]}")/assert.sh"

export LOCKSTEP_BIN=$stubs/lockstep LOCKSTEP_RUN_BACKOFF_MS=20
cd "$scratch" || exit 1

# plan LINE…: a new case with these lives.
plan() {
  FAKE_DIR=$(mktemp -d "$scratch/case.XXXX")
  FAKE_RUN_DIR=$FAKE_DIR/runs/a
  export FAKE_DIR FAKE_RUN_DIR
  printf '%s\n' "$@" >"$FAKE_DIR/plan"
}
lives() { cat "$FAKE_DIR/rank-0" 2>/dev/null || echo 0; }
supervise() {
  output=$("$repo/launch/run" -n 2 "$@" 2>&1 </dev/null)
  code=$?
}
# begin [ARG…]: starts it in the background, with the signals as a terminal would have them.
begin() {
  env --default-signal=INT,HUP,TERM,USR1 "$repo/launch/run" -n 2 "$@" >"$FAKE_DIR/output" 2>&1 </dev/null &
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
equal 0 "$code" code
equal 6 "$(lives)" lives
equal 5 "$(grep -c 'starting attempt' <<<"$output")" 'lines about restarts'
contains "$output" 'attempt 1 ended with code 76 (peer lost or hung); starting attempt 2 in 20 ms'
contains "$output" 'attempt 3 ended with code 137 (killed by signal 9)'
contains "$output" 'attempt 4 ended with code 139 (killed by signal 11)'

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
equal '20 40 20 40 80 20' "$(sed -nE 's/.* in ([0-9]+) ms$/\1/p' <<<"$output" | xargs)" pauses

claims 'the pause doubles to thirty times the first and is really waited'
LOCKSTEP_RUN_BACKOFF_MS=600
plan 'exit 1' 'exit 0'
supervise c.yaml
stamps=$(awk '$1 == 0 {print $3}' "$FAKE_DIR/lives" | xargs)
checks=$((checks + 1))
[ $(((${stamps#* } - ${stamps% *}) / 1000000)) -ge 600 ] || fail "second life too early: $stamps"
LOCKSTEP_RUN_BACKOFF_MS=1
plan 'exit 1' 'commit exit 1' 'exit 1' 'exit 1' 'exit 1' 'exit 0'
supervise c.yaml
equal '1 1 2 4' "$(sed -nE 's/.* in ([0-9]+) ms$/\1/p' <<<"$output" | xargs)" pauses
equal 93 "$code" code
LOCKSTEP_RUN_BACKOFF_MS=20

claims 'both ranks run where launch/run was started, with its arguments and a terminal flag'
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
  equal '0 1 USR1 1 1 USR1' "$(sort "$FAKE_DIR/signals" | xargs)" 'signals in ranks'
done

claims 'a stop request in a pause ends it at once'
plan 'exit 1' 'exit 0'
LOCKSTEP_RUN_BACKOFF_MS=30000
begin c.yaml
LOCKSTEP_RUN_BACKOFF_MS=20
eventually 20 grep -q 'starting attempt 2' "$FAKE_DIR/output"
sleep 0.3
asked=$SECONDS
kill -INT "$supervisor"
end
equal 130 "$code" code
equal 1 "$(lives)" lives
checks=$((checks + 1))
[ $((SECONDS - asked)) -le 5 ] || fail 'it slept on'

claims 'a job that dies after a stop request is not started again'
plan 'stuck' 'exit 0'
begin c.yaml
eventually 20 both_ranks_live 1
kill -TERM "$supervisor"
eventually 20 grep -qs USR1 "$FAKE_DIR/signals"
kill -TERM "$supervisor"
sleep 0.2
kill -TERM "$supervisor"
end
equal 143 "$code" code
equal 1 "$(lives)" lives
contains "$output" 'third request to stop'
contains "$output" 'before it could save'

claims 'ranks of a killed mpirun are ended before the next attempt'
plan 'stuck' 'exit 0'
begin c.yaml
eventually 20 both_ranks_live 1
kill -KILL "$(cut -d ' ' -f 1 "/proc/$supervisor/task/$supervisor/children")"
end
equal 0 "$code" "code ($output)"
equal 2 "$(lives)" lives
contains "$output" 'killed by signal 9'
while read -r pid; do
  contains 'gone Z' "$(awk '{print $3}' "/proc/$pid/stat" 2>/dev/null || echo gone)"
done < <(sed -n '1,2s/.* pid //p' "$FAKE_DIR/lives")

claims 'what cannot start says why, in one line, and starts nothing'
plan 'exit 0'
supervise; equal 64 "$code" 'no config'
supervise --frob c.yaml; equal 64 "$code" 'unknown option'
supervise -n 0 c.yaml; equal 64 "$code" 'no ranks'
supervise a.yaml b.yaml; equal 64 "$code" 'two configs'
LOCKSTEP_BIN=$scratch/none supervise c.yaml; equal 69 "$code" 'no binary'
equal 1 "$(wc -l <<<"$output")" 'lines of the error'
echo 78 >"$FAKE_DIR/config-fails"
supervise c.yaml; equal 78 "$code" 'invalid config'
equal 0 "$(lives)" lives

claims '--help shows two examples'
output=$("$repo/launch/run" --help)
equal 0 "$?" code
equal 'Examples:' "$(head -1 <<<"$output")" 'first line'

finish
