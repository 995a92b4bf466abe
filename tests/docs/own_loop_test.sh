#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What README.md and docs/your-own-loop.md show as C++ stands in examples/own-loop/main.cpp, which other tests build and run; the
# guide shows all of it.
set -euo pipefail
repo=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=$(<"$repo/examples/own-loop/main.cpp")

# shown FILE: sets blocks, lines: of C++ in FILE.
shown() {
  local line block='' inside=no
  blocks=0 lines=0
  while IFS= read -r line; do
    case $inside:$line in
      no:'```cpp') inside=yes block='' ;;
      yes:'```')
        inside=no
        blocks=$((blocks + 1))
        [[ $program == *"${block%$'\n'}"* ]] || { printf 'FAILED: block %d of %s is not in the example:\n%s' "$blocks" "$1" "$block"; exit 1; }
        ;;
      yes:*) block+=$line$'\n' lines=$((lines + 1)) ;;
    esac
  done <"$repo/$1"
}

shown README.md
[[ $blocks -ge 1 ]] || { echo 'FAILED: README.md shows no program'; exit 1; }
shown docs/your-own-loop.md
# The license line and what the program is for stand in the text, and blank lines between the blocks.
whole=$(grep -c -v -e '^//' -e '^$' "$repo/examples/own-loop/main.cpp")
[[ $lines -ge $whole ]] || { echo "FAILED: the guide shows $lines lines of $whole"; exit 1; }
echo "$lines lines"
