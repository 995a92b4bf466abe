#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# misuse_test.sh PROGRAM LOCKSTEP WORK PART: what comes of a loop at 2 ranks that does something wrong: one message, one code on
# all ranks, no hang, and no checkpoint that is torn.
set -euo pipefail
program=$1 lockstep=$2 work=$3 part=$4

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
rm -rf "$work"
mkdir -p "$work"
cd "$work"
cases=0 failures=0

fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}

# train NAME DIR: sets code; what was said is in DIR.log.
train() {
  code=0
  timeout -k 5 60 mpirun -q --oversubscribe --bind-to none --mca pml ob1 --mca btl self,vader -n 2 "$program" "$1" "$2" \
    >"$2.log" 2>&1 </dev/null || code=$?
}

# sound DIR COUNT: it has at least so many checkpoints, and all of them are whole; of 0, none was begun.
sound() {
  if [[ $2 == 0 ]]; then
    [[ -z $(compgen -G "$1/ckpt/step-????????") ]] || fail "$1: there is a checkpoint"
    return
  fi
  "$lockstep" ckpt verify "$1" >"$1.verify" 2>&1 || fail "$1: $(cat "$1.verify")"
  [[ $(grep -c ': valid, ' "$1.verify") -ge $2 ]] || fail "$1: fewer than $2 whole checkpoints: $(cat "$1.verify")"
}

hash_of() { sed -n 's/.*"state_hash":"\([0-9a-f]*\)".*/\1/p' "$1/DONE"; }

# ends NAME CODE CHECKPOINTS TEXT: as a run from nothing.
ends() {
  rm -rf "${1:?}"
  ends_again "$1" "$1" "${@:2}"
}

# ends_again NAME DIR CODE CHECKPOINTS TEXT: in a directory that may have a run.
ends_again() {
  local name=$1 directory=$2 wanted=$3 checkpoints=$4 text=$5 errors
  cases=$((cases + 1))
  train "$name" "$directory"
  [[ $code == "$wanted" ]] || fail "$name: code $code, expected $wanted: $(tail -5 "$directory.log")"
  errors=$(grep -c 'lockstep: error: ' "$directory.log") || true
  [[ $errors == 1 ]] || fail "$name: $errors errors were said: $(cat "$directory.log")"
  grep -qF -- "$text" "$directory.log" || fail "$name: no '$text' in: $(cat "$directory.log")"
  sound "$directory" "$checkpoints"
}

verbs() {
  local different='the ranks called different things: '
  ends backward-left-out 70 1 "${different}after(step 5, loss 0) of rank 1; backward(step 5) of rank 0"
  ends after-left-out 70 1 "backward(step 6) of rank 1"
  ends barrier-left-out 70 1 "${different}backward(step 5) of rank 1; barrier() of rank 0"
  ends resume-left-out 70 0 "${different}backward(step 0) of rank 1; resume() of rank 0"
  ends loop-left 70 1 "${different}backward(step 5) of rank 0; the end of the job of rank 1"
  ends backward-of-another-step 70 1 "${different}backward(step 5) of rank 0; backward(step 6) of rank 1"
  ends after-of-another-step 70 1 "after(step 6, "
  ends after-of-a-wrong-step 70 1 'after(step 6) where step 5 is next'
  ends after-before-resume 70 0 'after() was called before resume()'
  ends resume-twice 70 0 'resume() was called twice'
  ends broadcast-of-another-shape 70 1 "${different}broadcast("
  ends loop-throws 70 1 'std::runtime_error: no such file'
  ends loop-throws-on-one-rank 70 1 'std::runtime_error: no such file'
  ends evaluation-throws 70 1 'evaluation, chunk 0: std::runtime_error: no chunk 0'
  ends evaluates-other-things 78 1 'the ranks measure different things'
}

# What a loop draws between its verbs is the same on every rank (else the save would end it), without ranks, and after a kill.
same_draws() {
  cases=$((cases + 1))
  timeout 60 "$program" none alone >alone.log 2>&1 || fail "alone: $(tail -5 alone.log)"
  LOCKSTEP_FAULT="kill@rank=1,step=7,file=$work/killed.fired" train none killed
  [[ $code != 0 && -s killed.fired ]] || fail "nothing was killed"
  train none killed
  [[ $code == 0 ]] || fail "killed: code $code: $(tail -5 killed.log)"
  for other in alone killed; do
    [[ $(hash_of run) && $(hash_of run) == "$(hash_of $other)" ]] || fail "$other ends in another state than run"
  done
}

checkpoints() {
  ends added-late 78 0 "'late' was added to the checkpoints after resume()"
  ends added-late-on-one-rank 70 0 "'late' was added to the checkpoints after resume()"
  ends added-twice 78 0 "'own' was added to the checkpoints twice"
  ends added-twice-on-one-rank 70 0 "'own' was added to the checkpoints twice"
  ends added-more-on-one-rank 78 0 'what was added to the checkpoints'
  ends another-optimizer-on-one-rank 78 0 'what was added to the checkpoints'
  ends optimizer-of-a-stranger 78 0 'second has a parameter that belongs to no module that was added'
  ends two-optimizers-of-one-parameter 78 0 'second has parameter out.weight, which another optimizer has too'
  ends own-tensor-differs 70 1 'loop/own is not the same on rank 1 as on rank 0'
  ends own-shape-differs 70 1 'loop/own is not the same on rank 1 as on rank 0'
  ends own-number-differs 70 1 'loop/count is not the same on rank 1 as on rank 0'
  ends own-text-differs 70 1 'loop/text is not the same on rank 1 as on rank 0'
  ends options-differ 78 0 'SaveOptions'
  ends options-without-steps 78 0 'SaveOptions: steps is 0'

  # A run that is there is left as it is by one that does not fit it.
  train none run
  [[ $code == 0 ]] || fail "none: code $code: $(tail -5 run.log)"
  same_draws
  rm run/DONE
  ends_again adds-more-than-was-saved run 78 3 'the checkpoint has no more'
  ends_again other-optimizer-than-was-saved run 78 3 'optimizer'
  ends_again other-width-than-was-saved run 78 3 'in.bias is float32 [8] in the checkpoint and float32 [16] in the module'
}

module() {
  ends too-few-micro-batches 78 0 '2 ranks'
  ends module-differs 78 0 "the module is not the same on all ranks: 'in.weight Float [8, 4]' on rank 1"
  ends two-parallels-of-one-module 78 0 'parameter in.weight belongs to another DataParallel already'
  ends module-retyped 78 1 'in.weight'
  ends module-retyped-on-one-rank 70 1 'in.weight'
  ends module-frozen 78 1 'requires_grad of in.weight became false'
  ends module-replaced 78 1 'depends on no parameter of the model that is trained'
  ends layer-replaced 78 1 'in.weight'
  ends the-one-copy-changed-in-place 78 1 'parameter in.weight was changed in place between two updates'
  ends the-data-of-the-one-copy-changed 78 1 'parameter in.weight was changed in place between two updates'
  ends the-one-copy-left 70 0 'each rank has a copy'
  ends other-numbers-of-the-optimizer-on-one-rank 70 0 'the ranks called different things: optimize_with('
  ends other-rate-on-one-rank 70 0 'update(step 0, lr 0.01) of rank 0; update(step 0, lr 0.02) of rank 1'
  ends parameter-changed-on-one-rank 70 1 'the ranks hold different states'
  ends integers-of-the-data 70 0 'integer buffer seen differs between micro-batches'
  ends integers-of-the-data-of-a-rank 70 0 'seen is not the same on rank 1 as on rank 0'
  ends loss-not-finite 93 1 'step 5: the run has diverged (loss nan)'
  ends loss-of-many-numbers 78 0 'the loss is not one floating-point number'
  ends loss-detached 78 0 'the loss depends on no trainable parameter'
  ends loss-of-another-module 78 1 'depends on no parameter of the model that is trained'
  ends loss-of-the-clock 78 0 'computed once more, differs in the loss'
  ends loss-throws 70 1 'rank 1: step 5, micro-batch 2: std::runtime_error: no such file'
  ends hangs 76 1 'rank 1'
  ends hangs-in-its-loss 76 1 'rank 1'

  # The copy takes its time, so that the change comes while it is made; the loop goes on, and saves what comes after.
  local changed=parameter-changed-while-copied
  cases=$((cases + 1))
  LOCKSTEP_FAULT="lag@point=freeze.copy,step=6;note@point=freeze.copy,step=6,file=$work/slow" train $changed $changed
  [[ $code == 0 && -s slow && -e $changed/DONE ]] || fail "$changed: code $code: $(tail -5 $changed.log)"
  grep -qF 'warning: the save of step 6 is given up: model/in.weight was changed while it was copied' $changed.log ||
    fail "$changed: no warning: $(cat $changed.log)"
  grep -q '"event":"checkpoint_void"' $changed/events.jsonl || fail "$changed: no event"
  [[ ! -e $changed/ckpt/step-00000006 ]] || fail "$changed: the spoiled state was committed"
  sound $changed 3
}

"$part"
echo "$cases cases"
[[ $cases -gt 0 && $failures == 0 ]]
