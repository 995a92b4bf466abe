#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run_test.sh CMAKE BUILD PROJECT WORK CCACHE: programs elsewhere, against a Lockstep that was installed and then moved: loops of
# their own (examples/), a model and dataset of their own (project/), and HDF5 and MPI of their own (beside/).
set -euo pipefail
cmake=$1 build=$2 project=$3 work=$4 ccache=$5

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
unset LOCKSTEP_BIN
rm -rf "$work"
mkdir -p "$work"
"$cmake" --install "$build" --prefix "$work/first" >"$work/install.log" || fail "install: $(tail -5 "$work/install.log")"
prefix=$work/prefix
mv "$work/first" "$prefix"
share=$prefix/share/lockstep
[[ $("$prefix/bin/lockstep" --version) == "lockstep "* ]] || fail "the installed binary does not start"
for header in $(cd "$project/../../../include" && find lockstep -name '*.h'); do
  [[ -e $prefix/include/$header ]] || fail "$header is not installed"
done

# compile SOURCE NAME
compile() {
  "$cmake" -S "$1" -B "$work/$2" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_COMPILER_LAUNCHER="$ccache" >"$work/$2.log" 2>&1 || fail "configure $2: $(tail -5 "$work/$2.log")"
  "$cmake" --build "$work/$2" >"$work/$2.log" 2>&1 || fail "build $2: $(tail -20 "$work/$2.log")"
}

compile "$project/../beside" beside
for order in lockstep_first others_first; do
  [[ $("$work/beside/${order//_/-}/$order") =~ ^HDF5\ 1,\ MPI\ [34],\ [0-9a-f]{32}$ ]] || fail "$order does not run"
done

cd "$work"
compile "$share/examples" loops
hash_of() { sed -n 's/.*"state_hash":"\([0-9a-f]*\)".*/\1/p' "$1/DONE"; }
for example in own_loop gan serial simulation; do
  "$work/loops/$example" "runs/$example" 12 >"$example.log" 2>&1 || fail "$example: $(tail -5 "$example.log")"
  [[ $(hash_of "runs/$example") ]] || fail "$example is not done: $(tail -5 "$example.log")"
done
"$share/launch/run" -n 2 -- "$work/loops/own_loop" runs/two 12 >two.log 2>&1 || fail "launch/run: $(tail -5 two.log)"
[[ $(hash_of runs/two) == "$(hash_of runs/own_loop)" ]] || fail "2 ranks end in another state"
"$prefix/bin/lockstep" ckpt verify runs/two >verify.log 2>&1 || fail "ckpt verify: $(cat verify.log)"

# The batch script, where it lies and as the copy that Slurm runs.
[[ $(bash "$share/slurm/train.sbatch" --help) == *'lockstep run --slurm'* ]] || fail "train.sbatch does not find lockstep"
mkdir spool
cp "$share/slurm/train.sbatch" spool/slurm_script
printf '#!/bin/sh\necho "   Command=%s run.yaml"\n' "$share/slurm/train.sbatch" >spool/scontrol
chmod +x spool/scontrol
[[ $(PATH=$work/spool:$PATH bash spool/slurm_script --help) == *'lockstep run --slurm'* ]] || fail "its copy does not find lockstep"

compile "$project" build
wave=$work/build/wave
config=$project/run.yaml
"$wave" config check -c "$config" || fail "the registered types are not known to config check"
"$wave" train -c "$config"
[[ $(grep -o '"step": *5' runs/wave/DONE) ]] || fail "DONE does not say step 5: $(cat runs/wave/DONE)"
"$wave" train -c "$config" train.steps=8 || fail "it does not resume"
grep -q '"step": *8' runs/wave/DONE || fail "DONE does not say step 8"
said=$("$wave" train -c "$config" run.dir=runs/own optim.type=heavy_ball "optim.params={momentum: 0.9}" schedule.type=inverse_sqrt train.metrics=true)
[[ $said == *"kept "*"runs/own/ckpt/step-00000005"* ]] || fail "its hook is not called: $said"
[[ $(grep '"step":5[,}]' runs/own/metrics.jsonl) == *'"train_close":'* ]] || fail "no metrics of training batches"

evaluated=$("$wave" eval -c "$config" --weights runs/wave/weights.h5 --json)
[[ $evaluated =~ \"loss\":[0-9].*\"close\": ]] || fail "eval says $evaluated"
journal=$(tail -1 runs/wave/metrics.jsonl)
loss=$(sed 's/.*"loss":\([^,}]*\).*/\1/' <<<"$evaluated")
[[ $journal == *"\"valid_loss\":$loss"* ]] || fail "eval says $loss, the journal $journal"

first=$("$wave" ask "$config" runs/wave/weights.h5 0.25)
again=$("$wave" ask "$config" runs/wave/ckpt/step-00000008 0.25)
[[ $first =~ ^-?[0-9]+\.[0-9]+$ && $first == "$again" ]] || fail "the predictor says $first and $again"
echo "loss $loss, f(0.25) = $first"
