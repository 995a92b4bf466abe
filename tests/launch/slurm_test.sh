#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# slurm/train.sbatch and lockstep run --slurm under stand-ins for sbatch, srun and scontrol that start real ranks and
# requeue for real. What Slurm itself does is in tests/slurm.
# shellcheck source=tests/launch/assert.sh
. "$(dirname "${BASH_SOURCE[0]}")/assert.sh"

export LOCKSTEP_BIN=$repo/build/dev/src/lockstep SLURM_NTASKS=2
PATH=$stubs:$PATH
cd "$scratch" || exit 1

fresh() {
  FAKE_DIR=$(mktemp -d "$scratch/case.XXXX")
  export FAKE_DIR
  run=$FAKE_DIR/run
  : >"$FAKE_DIR/scontrol-calls"
}
requeues() { grep -c '^requeue 4711$' "$FAKE_DIR/scontrol-calls"; }
steps() { wc -l <"$FAKE_DIR/srun-calls"; }
submit() {
  output=$(sbatch "$repo/slurm/train.sbatch" "$repo/tests/slurm/tiny.yaml" run.dir="$run" train.steps=60 "$@" 2>&1 </dev/null)
  code=$?
}
submit_behind() {
  sbatch "$repo/slurm/train.sbatch" "$repo/tests/slurm/tiny.yaml" run.dir="$run" train.steps="$1" >"$FAKE_DIR/output" 2>&1 &
  job=$!
}
tell_batch_script() { kill -s "$1" "$(cat "$FAKE_DIR/batch-pid")"; }
trains() { [ -s "$run/metrics.jsonl" ]; }

claims 'the script asks Slurm for what it relies on, and is a few lines'
script=$(cat "$repo/slurm/train.sbatch")
for line in '--signal=B:USR1@120' '--open-mode=append' '--requeue'; do
  contains "$script" "#SBATCH $line"
done
equal yes "$([ "$(grep -vc '^#' "$repo/slurm/train.sbatch")" -lt 15 ] && echo yes)" 'lines'

claims 'a job that is done is not requeued; ranks start under srun --mpi=pmix -K1 and know end and grace'
fresh
submit
equal 0 "$code" "code ($output)"
equal 0 "$(requeues)" requeues
contains "$(cat "$FAKE_DIR/srun-calls")" "--mpi=pmix -K1 $LOCKSTEP_BIN train -c $repo/tests/slurm/tiny.yaml run.dir=$run"
contains "$(cat "$FAKE_DIR/rank-environment")" 'LOCKSTEP_GRACE_S=40'
contains "$(cat "$FAKE_DIR/rank-environment")" 'LOCKSTEP_END_TIME='

claims 'USR1 becomes one save request to the ranks, 75 and a requeue; then it goes on'
fresh
submit_behind 3000
eventually 20 trains
tell_batch_script USR1
eventually 20 grep -qs '^requeue' "$FAKE_DIR/scontrol-calls"
equal USR1 "$(cat "$FAKE_DIR/signals")" 'signals in srun'
wait "$job"
equal 0 "$?" "code ($(tail -3 "$FAKE_DIR/output"))"
equal 1 "$(requeues)" requeues
contains "$(cat "$run/events.jsonl")" resumed

claims 'USR1 before lockstep listens is kept until the ranks are up'
fresh
submit_behind 3000
eventually 20 test -s "$FAKE_DIR/batch-pid"
sleep 0.02
tell_batch_script USR1
wait "$job"
equal 0 "$?" "code ($(tail -3 "$FAKE_DIR/output"))"
equal 1 "$(requeues)" requeues

claims 'a job that was cancelled stays so'
fresh
submit_behind 3000
eventually 20 trains
: >"$FAKE_DIR/cancelled"
pkill -USR1 -f "^$LOCKSTEP_BIN train -c .*run.dir=$run "
tell_batch_script TERM
wait "$job"
equal 75 "$?" code
equal 0 "$(requeues)" requeues
contains "$(cat "$FAKE_DIR/output")" 'the job was cancelled and is not put back into the queue'

claims 'a controller that is away is asked again; a step that cannot be made is made again; a rank that is killed costs a restart'
fresh
echo 1 >"$FAKE_DIR/away"
echo 2 >"$FAKE_DIR/no-step"
LOCKSTEP_FAULT=kill@rank=1,step=30,file=$FAKE_DIR/fired submit
equal 0 "$code" "code ($output)"
contains "$output" "Slurm's controller does not answer"
contains "$output" 'again in'
equal 1 "$(wc -l <"$FAKE_DIR/fired")" 'faults injected'
equal 4 "$(steps)" steps
equal 0 "$(requeues)" requeues
equal 4 "$(grep -c '"attempt_end"' "$run/events.jsonl")" 'ends of attempts in the events'

claims 'what the same start would have again ends the job'
fresh
submit optim.lrr=1
equal 78 "$code" code
equal no "$([ -e "$run" ] && echo yes || echo no)" 'a run directory'
equal 0 "$(requeues)" requeues

claims 'a requeue that is refused says so and leaves the code of the job'
fresh
: >"$FAKE_DIR/no-requeue"
submit_behind 3000
eventually 20 trains
tell_batch_script USR1
wait "$job"
equal 75 "$?" code
contains "$(cat "$FAKE_DIR/output")" 'submit the job again to go on'

claims 'a program of one'"'"'s own is run, and started again after a crash'
fresh
cat >"$FAKE_DIR/own.sbatch" <<TEXT
exec "$LOCKSTEP_BIN" run --slurm --ranks-per-node 1 -- bash -c 'echo "\$0" >>$FAKE_DIR/own; [ "\$(wc -l <$FAKE_DIR/own)" -gt 1 ] || kill -KILL \$\$' mine
TEXT
output=$(SLURM_NTASKS=1 sbatch "$FAKE_DIR/own.sbatch" 2>&1)
equal 0 "$?" "code ($output)"
equal 'mine mine' "$(xargs <"$FAKE_DIR/own")" 'lives of the program'
contains "$(cat "$FAKE_DIR/srun-calls")" '--ntasks-per-node=1 --ntasks=1 bash -c'

claims 'outside a batch job it says what to do'
output=$(env -u SLURM_JOB_ID "$LOCKSTEP_BIN" run --slurm "$repo/tests/slurm/tiny.yaml" 2>&1)
equal 69 "$?" code
contains "$output" 'lockstep slurm init writes the script'

claims 'slurm init writes a script that shellcheck finds clean, and that says what was asked for'
init() { output=$("$LOCKSTEP_BIN" slurm init -c "$repo/tests/slurm/tiny.yaml" "$@" 2>&1); code=$?; }
for options in '' '--partition gpu --nodes 1-4 --gpus 8 --time 04:00:00 --lead 300' '--chain 5 --modules gcc/12,openmpi' \
  '--array 0-9 run.dir=runs/{array_task}' '--container image.sif --gpus 2' '--ranks-per-node 2 --cpus 8 --account physics'; do
  # shellcheck disable=SC2086  # words
  init $options
  equal 0 "$code" "code of $options ($output)"
  shellcheck - <<<"$output" || fail "shellcheck: $options"
  lacks "$output" ntasks
done
init --partition gpu --nodes 1-4 --gpus 8 --time 04:00:00 --lead 300
for line in --job-name=tiny --partition=gpu --nodes=1-4 --gpus-per-node=8 --time=04:00:00 --signal=B:USR1@300 --mincpus=8 --requeue; do
  contains "$output" "#SBATCH $line
"
done
contains "$output" "run --slurm --ranks-per-node 8 $repo/tests/slurm/tiny.yaml"
init --chain 5 --modules gcc/12,openmpi
contains "$output" '#SBATCH --no-requeue'
contains "$output" '#SBATCH --array=1-5%1'
contains "$output" 'module load gcc/12'
init --nodes many
equal 64 "$code" 'nodes that are no number'
init --chain 2 'run.dir=a-{array_task}'
equal 64 "$code" 'a chain in many directories'

finish
