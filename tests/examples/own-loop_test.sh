#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# own-loop_test.sh PROGRAM LOCKSTEP WORK: one state at any number of ranks, killed and not; status, report, ckpt
# and Python read its run.
source "$(dirname "${BASH_SOURCE[0]}")/example.sh"
steps=60

whole=$(at 1 one "$steps")
for ranks in 2 3 4; do same "$whole" "$(at "$ranks" "ranks-$ranks" "$steps")" "$ranks ranks"; done
timeout 60 "$program" alone "$steps" >alone.log 2>&1 || fail "without a launcher: $(tail -5 alone.log)"
same "$whole" "$(hash_of alone)" "without a launcher"

# kill -9 of a random rank at a random step; the next life has another world size.
seed=${RANDOM}
echo "seed $seed"
RANDOM=$seed
for sizes in "4 2" "2 3" "3 1"; do
  read -r first second <<<"$sizes"
  step=$((RANDOM % 40 + 5)) rank=$((RANDOM % first)) run=killed-$first
  code=0
  LOCKSTEP_FAULT="kill@rank=$rank,step=$step,attempt=1,file=$work/$run.fired" \
    timeout 60 mpirun -q --oversubscribe --bind-to none --mca pml ob1 --mca btl self,vader -n "$first" "$program" \
    "$run" "$steps" >"$run.first" 2>&1 || code=$?
  [[ $code -ne 0 && -s $run.fired ]] || fail "rank $rank was not killed at step $step (code $code)"
  [[ ! -e $run/DONE ]] || fail "a killed run is done"
  same "$whole" "$(at "$second" "$run" "$steps")" "killed at step $step of $first ranks, resumed at $second"
done

# Under the supervisor it comes back by itself.
LOCKSTEP_FAULT="kill@rank=1,step=47,attempt=1,file=$work/super.fired" timeout 100 "$lockstep" run -n 2 -- "$program" super \
  "$steps" >super.log 2>&1 || fail "under lockstep run: $(tail -5 super.log)"
[[ -s super.fired && $(grep -c '"attempt_begin"' super/events.jsonl) == 2 ]] || fail "it did not come back by itself"
same "$whole" "$(hash_of super)" "under lockstep run"

# A stop saves, ends with 75, and goes on.
timeout 60 "$program" stopped 100000 >stopped.log 2>&1 &
pid=$!
for _ in {1..200}; do grep -qs '"step":40' stopped/metrics.jsonl && break; sleep 0.05; done
kill -TERM "$pid"
code=0
wait "$pid" || code=$?
[[ $code == 75 ]] || fail "a stop ends with $code: $(tail -3 stopped.log)"
grep -q '"event":"stopped"' stopped/events.jsonl || fail "no event of the stop"

# overtaken RUN STEP FAULTS: a stop in STEP, while the save of step 40 is being written.
overtaken() {
  code=0
  LOCKSTEP_FAULT="slow@point=ckpt.before_rename,step=40,file=$work/$1.slow;term@point=step,step=$2,file=$work/$1.term$3" \
    timeout 60 "$program" "$1" "$steps" >"$1.log" 2>&1 || code=$?
  [[ $code == 75 && -s $1.slow && -s $1.term ]] || fail "$1: stopped in a save: code $code: $(tail -3 "$1.log")"
  [[ -e $1/ckpt/step-00000040 ]] || fail "$1: the save in flight was not finished"
  "$lockstep" ckpt verify "$1" >"$1.verify" 2>&1 || fail "$1: $(cat "$1.verify")"
}

# Where it has only begun it is the one there is; where it has taken longer than a save does, another one follows.
overtaken young 42 ''
slower=''
for step in {41..58}; do for _ in 1 2 3; do slower+=";lag@point=micro_batch,step=$step"; done; done
overtaken overdue 59 "$slower"
grep -q '"event":"stopped".*"step":59,' overdue/events.jsonl || fail "nothing was saved at the stop: $(grep stopped overdue/events.jsonl)"
[[ -e overdue/ckpt/step-00000059 ]] || fail "the last step is not saved"
for run in young overdue; do same "$whole" "$(at 2 $run "$steps")" "$run: stopped while a save was being written"; done

# The run is one like any other.
[[ $("$lockstep" status one) == *60* ]] || fail "status: $("$lockstep" status one)"
"$lockstep" ckpt verify one >verify.log 2>&1 || fail "ckpt verify: $(cat verify.log)"
"$lockstep" report one -o report.html >report.log 2>&1 || fail "report: $(cat report.log)"
"$lockstep" ckpt show one >show.log 2>&1 || fail "ckpt show: $(cat show.log)"
grep -q "exp_avg" show.log || fail "ckpt show does not name the optimizer's state"
"$lockstep" ckpt diff one ranks-3 >diff.log 2>&1 || fail "ckpt diff: $(cat diff.log)"
"$lockstep" ckpt export one -o model.safetensors --to safetensors >export.log 2>&1 || fail "export: $(cat export.log)"
echo "state $whole"
