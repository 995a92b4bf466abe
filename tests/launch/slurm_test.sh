#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# slurm/train.sbatch under stand-ins for sbatch, srun and scontrol that start real ranks and requeue for real.
# shellcheck source=tests/launch/assert.sh
. "$(dirname "${BASH_SOURCE[0]}")/assert.sh"

export LOCKSTEP_BIN=$stubs/lockstep SLURM_NTASKS=2
PATH=$stubs:$PATH
cd "$scratch" || exit 1

plan() {
  FAKE_DIR=$(mktemp -d "$scratch/case.XXXX")
  FAKE_RUN_DIR=$FAKE_DIR/runs/a
  export FAKE_DIR FAKE_RUN_DIR
  printf '%s\n' "$@" >"$FAKE_DIR/plan"
}
lives() { cat "$FAKE_DIR/rank-0" 2>/dev/null || echo 0; }
requeues() {
  touch "$FAKE_DIR/scontrol-calls"
  grep -c '^requeue 4711$' "$FAKE_DIR/scontrol-calls"
}
submit() {
  output=$(sbatch "$repo/slurm/train.sbatch" "$@" 2>&1 </dev/null)
  code=$?
}
both_ranks_live() { [ "$(grep -cs "^[01] $1 " "$FAKE_DIR/lives" || true)" = 2 ]; }
tell_batch_script() { kill -s "$1" "$(cat "$FAKE_DIR/batch-pid")"; }

claims 'the script asks Slurm for what it relies on'
script=$(cat "$repo/slurm/train.sbatch")
for line in '--signal=B:USR1@120' '--open-mode=append' '--requeue'; do
  contains "$script" "#SBATCH $line"
done

claims 'a job that is done is not requeued; ranks start under srun --mpi=pmix -K1'
plan 'exit 0'
submit c.yaml optim.lr=1
equal 0 "$code" "code ($output)"
equal 0 "$(requeues)" requeues
equal "--mpi=pmix -K1 $LOCKSTEP_BIN train -c c.yaml optim.lr=1" "$(cat "$FAKE_DIR/srun-calls")" srun
equal 2 "$(wc -l <"$FAKE_DIR/lives")" ranks

for stop in 1 64 65 66 69 73 74 77 78 93; do
  claims "code $stop ends the job without a requeue"
  plan "exit $stop" 'exit 0'
  submit c.yaml
  equal "$stop" "$code" code
  equal 0 "$(requeues)" requeues
done

claims '75, 76 and a rank killed by a signal are requeued and go on'
plan 'commit exit 75' 'exit 76' 'commit kill KILL' 'kill SEGV' 'exit 0'
submit c.yaml
equal 0 "$code" "code ($output)"
equal 4 "$(requeues)" requeues
equal 5 "$(lives)" lives

claims 'after a commit of this job its next attempts resume with auto'
plan 'exit 76' 'commit exit 76' 'exit 0'
submit c.yaml
equal "train -c c.yaml
train -c c.yaml
train -c c.yaml --resume auto" "$(cat "$FAKE_DIR/arguments")" arguments

claims '70 is requeued once'
plan 'commit exit 70' 'commit exit 76' 'commit exit 70' 'exit 0'
submit c.yaml
equal 70 "$code" code
equal 2 "$(requeues)" requeues

claims 'the third attempt in a row without a new commit ends with 93'
plan 'exit 76' 'exit 76' 'exit 76' 'exit 0'
submit c.yaml
equal 93 "$code" "code ($output)"
equal 3 "$(lives)" lives
equal 2 "$(requeues)" requeues
plan 'exit 76' 'exit 76' 'commit exit 76' 'exit 76' 'exit 76' 'exit 76' 'exit 0'
submit c.yaml
equal 93 "$code" "code ($output)"
equal 6 "$(lives)" lives

claims 'a new submission starts the count anew'
plan 'exit 76' 'exit 76' 'exit 76' 'exit 76' 'exit 0'
submit c.yaml
equal 93 "$code" code
SLURM_JOB_ID=4712 submit c.yaml
equal 0 "$code" "code ($output)"

claims 'attempts that a dying node ended are counted too'
plan stuck stuck stuck 'exit 0'
: >"$FAKE_DIR/node-dies"
submit c.yaml
equal 93 "$code" "code ($output)"
equal 3 "$(lives)" lives
equal 0 "$(requeues)" 'requeues by the script'

for signal in USR1 TERM; do
  claims "$signal to the batch shell becomes a save request to every rank, 75 and a requeue"
  plan serve 'exit 0'
  sbatch "$repo/slurm/train.sbatch" c.yaml >"$FAKE_DIR/output" 2>&1 &
  job=$!
  eventually 20 both_ranks_live 1
  tell_batch_script "$signal"
  wait "$job"
  equal 0 "$?" "code of the second attempt ($(cat "$FAKE_DIR/output"))"
  equal '0 1 USR1 1 1 USR1' "$(sort "$FAKE_DIR/signals" | xargs)" 'signals in ranks'
  equal 1 "$(requeues)" requeues
  equal 2 "$(lives)" lives
done

claims 'a requeue that fails leaves the code of the job'
plan 'commit exit 75'
: >"$FAKE_DIR/scontrol-fails"
submit c.yaml
equal 75 "$code" code
contains "$output" 'submit the job again by hand'

claims 'what cannot start says why'
plan 'exit 0'
submit
equal 64 "$code" 'no config'
LOCKSTEP_BIN=$scratch/none PATH=/usr/bin:/bin bash "$repo/slurm/train.sbatch" c.yaml >"$FAKE_DIR/output" 2>&1
equal 69 "$?" 'no binary'
echo 78 >"$FAKE_DIR/config-fails"
submit c.yaml
equal 78 "$code" 'invalid config'
equal 0 "$(lives)" lives

finish
