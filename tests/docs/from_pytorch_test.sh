#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the shell blocks of docs/from-pytorch.md, one after the other in one folder, with the binary that is its argument.
set -euo pipefail
repo=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-docs.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin"
ln -s "$1" "$scratch/bin/lockstep"
export PATH="$scratch/bin:$PATH"
cd "$scratch"

# What a reader has from torchvision: here our own resnet50 of 1000 classes, exported.
cat > pretrained.yaml <<'YAML'
version: 1
run: {name: pretrained, dir: runs/pretrained, seed: 1}
model: {type: resnet50, classes: 1000}
data: {type: synthetic, samples: 4, input_shape: [3, 32, 32], classes: 1000}
train: {steps: 1, global_batch: 2, micro_batch: 2}
optim: {type: sgd, lr: 1e-3}
YAML
lockstep train -c pretrained.yaml >/dev/null
lockstep ckpt export runs/pretrained --to pth --weights-only -o resnet50.pth >/dev/null

blocks=0
block=''
inside=no
while IFS= read -r line; do
  case $inside:$line in
    no:'```sh') inside=yes block='' ;;
    yes:'```')
      inside=no
      blocks=$((blocks + 1))
      printf '== block %d\n%s' "$blocks" "$block"
      bash -euo pipefail -c "$block" || { printf 'FAILED: block %d of docs/from-pytorch.md\n' "$blocks"; exit 1; }
      ;;
    yes:*) block+=$line$'\n' ;;
  esac
done <"$repo/docs/from-pytorch.md"

# What the text promises and no exit code shows.
check() { "$@" || { printf 'FAILED: %s\n' "$*"; exit 1; }; }
check [ "$blocks" -ge 8 ]
check grep -q '"event":"started_from_weights"' runs/finetune/events.jsonl
check grep -q 'fc.weight' runs/finetune/events.jsonl
check test -n "$(find runs/digits/ckpt -maxdepth 1 -name 'step-00000030.left-*')"
check [ "$(lockstep ckpt show runs/second --json | grep -c '"epoch": 3')" -eq 1 ]
printf '%d blocks ran\n' "$blocks"
