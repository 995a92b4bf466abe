#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run_test.sh CMAKE BUILD PROJECT WORK CCACHE: a user's model and dataset against an installed Lockstep.
set -euo pipefail
cmake=$1 build=$2 project=$3 work=$4 ccache=$5

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

rm -rf "$work"
mkdir -p "$work"
"$cmake" --install "$build" --prefix "$work/prefix" >"$work/install.log" || fail "install: $(tail -5 "$work/install.log")"
"$work/prefix/bin/lockstep" --version | grep -q '^lockstep ' || fail "the installed binary does not start"

"$cmake" -S "$project" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$ccache" >"$work/configure.log" || fail "configure: $(tail -5 "$work/configure.log")"
"$cmake" --build "$work/build" >"$work/build.log" || fail "build: $(tail -20 "$work/build.log")"

cd "$work"
wave=$work/build/wave
config=$project/run.yaml
"$wave" config check -c "$config" || fail "the registered types are not known to config check"
"$wave" train -c "$config"
[[ $(grep -o '"step": *5' runs/wave/DONE) ]] || fail "DONE does not say step 5: $(cat runs/wave/DONE)"
"$wave" train -c "$config" train.steps=8 || fail "it does not resume"
grep -q '"step": *8' runs/wave/DONE || fail "DONE does not say step 8"

evaluated=$("$wave" eval -c "$config" --weights runs/wave/weights.h5 --json)
[[ $evaluated =~ \"loss\":[0-9].*\"close\": ]] || fail "eval says $evaluated"
journal=$(tail -1 runs/wave/metrics.jsonl)
loss=$(sed 's/.*"loss":\([^,}]*\).*/\1/' <<<"$evaluated")
[[ $journal == *"\"valid_loss\":$loss"* ]] || fail "eval says $loss, the journal $journal"

first=$("$wave" ask "$config" runs/wave/weights.h5 0.25)
again=$("$wave" ask "$config" runs/wave/ckpt/step-00000008 0.25)
[[ $first =~ ^-?[0-9]+\.[0-9]+$ && $first == "$again" ]] || fail "the predictor says $first and $again"
echo "loss $loss, f(0.25) = $first"
