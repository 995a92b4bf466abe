#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every shell script of ours is clean, and the list of them is not empty by mistake.
# shellcheck source=tests/launch/assert.sh
. "$(dirname "${BASH_SOURCE[0]}")/assert.sh"

cd "$repo" || exit 1
mapfile -t scripts < <(grep -lE '^#!/usr/bin/env bash|^# shellcheck shell=bash' launch/* slurm/* .ci/run tests/launch/*.sh tests/launch/stubs/* tests/chaos/*)
claims 'all shell scripts are found'
for known in launch/setup launch/run launch/test launch/lib.sh slurm/train.sbatch .ci/run; do
  contains " ${scripts[*]} " " $known "
done
claims 'shellcheck finds nothing'
output=$(shellcheck -x "${scripts[@]}" 2>&1)
equal 0 "$?" "shellcheck: $output"
claims 'a script that is run may be run'
for script in "${scripts[@]}"; do
  [[ $script == *.sh && $script != *_test.sh ]] || equal yes "$([ -x "$script" ] && echo yes)" "$script"
done
finish
