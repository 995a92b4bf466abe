#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# launch/test on a stand-in machine: what it builds, what it runs, how it fails.
# shellcheck source=tests/launch/stand_in_machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/stand_in_machine.sh"

export FAKE_DIR=$scratch/machine LOCKSTEP_DEPS=$scratch/machine/deps
mkdir "$FAKE_DIR"

run_tests() {
  : >"$FAKE_DIR/calls"
  output=$("$repo/launch/test" "$@" 2>&1 </dev/null)
  code=$?
  calls=$(grep -E '^(cmake -|ctest)' "$FAKE_DIR/calls" | grep -v -- --version)
}

claims 'a first run sets up, builds dev and runs everything but the labels gpu, nightly and slurm, ending in the words of ctest'
run_tests
equal 0 "$code" "code ($output)"
contains "$output" 'launch/setup: ready'
equal "cmake --preset dev -DLOCKSTEP_TORCH=$LOCKSTEP_DEPS/libtorch-2.11.0/torch
cmake --build $repo/build/dev -j $(nproc)
ctest --test-dir $repo/build/dev --output-on-failure --timeout 300 --parallel $((2 * $(nproc))) -LE ^(gpu|nightly|slurm)\$" "$calls" calls
equal '100% tests passed' "$(tail -1 <<<"$output")" 'last line'

claims 'a label and other arguments go to ctest, and a second run sets nothing up'
run_tests -L unit -j 2
contains "$calls" '-LE ^(gpu|nightly|slurm)$ -L unit -j 2'
lacks "$output" launch/setup
run_tests -L gpu
lacks "$calls" '-LE'

claims 'the tests on a real Slurm run when they are asked for, one at a time'
run_tests -L slurm-ci
lacks "$calls" '-LE'
contains "$calls" '--parallel 1 -L slurm-ci'

claims 'with the --cuda-build part the CUDA backend is compiled and linked before the tests'
"$repo/launch/setup" --cuda-build >/dev/null 2>&1
run_tests
equal 0 "$code" "code ($output)"
contains "$calls" "cmake --preset cuda -DLOCKSTEP_TORCH=$LOCKSTEP_DEPS/libtorch-2.11.0/torch
cmake --build $repo/build/cuda -j $(nproc) --target lockstep_comm_nccl_check
ctest"

claims 'a build that fails runs no test and says which'
: >"$FAKE_DIR/cmake-fails-at--build"
run_tests
equal 1 "$code" code
contains "$output" 'the build of preset dev failed'
lacks "$calls" ctest
rm "$FAKE_DIR/cmake-fails-at--build"
: >"$FAKE_DIR/cmake-fails-at--preset"
run_tests
equal 1 "$code" code
contains "$output" 'CMake Error: something'
contains "$(tail -1 <<<"$output")" 'cmake --preset dev failed'

finish
