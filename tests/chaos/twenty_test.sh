#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# twenty_test.sh LOCKSTEP: twenty random faults, each really struck, and nothing wrong after any.
set -euo pipefail
here=$(dirname "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$here/run" --count 20 --seed 1000 --lockstep "$1" --out "$folder/faults.jsonl"
struck=$(grep -o '"struck":true' "$folder/faults.jsonl" | wc -l)
((struck >= 20))
if grep -q -e '"same_bits":false' -e '"lost_commit":true' "$folder/faults.jsonl"; then exit 1; fi
# The machine may be too busy for a rank; whatever it was shall be read, and not come twice.
if grep -o '"a life ended that nothing had struck: [^"]*"' "$folder/faults.jsonl"; then exit 1; fi
for kind in kill hang disk; do grep -q "\"fault\":\"$kind\"" "$folder/faults.jsonl"; done
