#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# launch/setup on a stand-in machine: what it fetches, what it says, how it fails and goes on.
# shellcheck source=tests/launch/stand_in_machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/stand_in_machine.sh"

printf 'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04"\n' >"$scratch/ubuntu"
printf 'ID=fedora\nVERSION_ID=40\nPRETTY_NAME="Fedora 40"\n' >"$scratch/fedora"

machine() {
  FAKE_DIR=$(mktemp -d "$scratch/machine.XXXX")
  LOCKSTEP_DEPS=$FAKE_DIR/deps
  tree=$LOCKSTEP_DEPS/libtorch-2.11.0
  export FAKE_DIR LOCKSTEP_DEPS
}
setup() {
  : >"$FAKE_DIR/calls"
  output=$("$repo/launch/setup" "$@" 2>&1 </dev/null)
  code=$?
}
downloads() { grep -c ' download ' "$FAKE_DIR/calls"; }
one_line_error() {
  equal "$1" "$code" code
  contains "$(tail -1 <<<"$output")" "$2"
  lacks "$output" ready
}

claims 'the default fetches the CPU part, says the sizes first, and how long it took'
machine
setup
equal 0 "$code" "code ($output)"
equal 3 "$(downloads)" wheels
equal library "$(cat "$tree/torch/lib/libtorch_cpu.so")" libtorch_cpu
equal header "$(cat "$tree/torch/include/torch/torch.h")" header
equal no "$([ -e "$tree/torch/lib/libtorch_cuda.so" ] && echo yes || echo no)" libtorch_cuda
contains "$(head -1 <<<"$output")" '545 MB to download, 546 MB when unpacked'
contains "$(tail -1 <<<"$output")" 'ready after'
equal '' "$(find "$LOCKSTEP_DEPS" -name '*.whl' -o -name '*.tmp' -o -name partial)" 'left behind'
equal 0 "$(grep -c '^apt-get' "$FAKE_DIR/calls")" 'apt-get calls when all packages are there'

claims 'a second run has nothing to do, and --quiet says nothing then'
setup
equal 0 "$code" code
equal 0 "$(downloads)" wheels
setup --quiet
equal '0:' "$code:$output" 'code and output'

claims '--cuda-build adds its parts to what is there'
setup --cuda-build
equal 0 "$code" "code ($output)"
equal 3 "$(downloads)" 'wheels (torch again, crt, nccl)'
equal library "$(cat "$tree/torch/lib/libtorch_cuda.so")" libtorch_cuda
equal header "$(cat "$tree/nvidia/nccl/include/nccl.h")" nccl.h
machine
setup --cuda-build
equal 5 "$(downloads)" 'wheels of a first --cuda-build'

claims '--cuda fetches every library torch names, torch itself once'
machine
setup --cuda
equal 0 "$code" "code ($output)"
equal 17 "$(downloads)" wheels
equal 1 "$(grep -c 'torch==2.11.0$' "$FAKE_DIR/calls")" 'downloads of torch'

claims 'no network: one clear line, and the next run goes on where this one stopped'
machine
echo torch==2.11.0 >"$FAKE_DIR/no-network-at"
setup
one_line_error 69 'cannot download torch==2.11.0: no network'
equal 3 "$(downloads)" 'wheels tried'
rm "$FAKE_DIR/no-network-at"
setup
equal 0 "$code" "code ($output)"
equal 1 "$(downloads)" 'wheels still to fetch'

claims 'a wheel that is there is not downloaded, a damaged one is removed and fetched by the next run'
machine
mkdir -p "$LOCKSTEP_DEPS/wheels"
: >"$LOCKSTEP_DEPS/wheels/torch-2.11.0-cp311-cp311-any.whl"
setup
one_line_error 74 'damaged and was removed'
equal 2 "$(downloads)" wheels
setup
equal 0 "$code" "code ($output)"
equal 1 "$(downloads)" wheels

claims 'a full disk is refused before the first byte, with what is needed and what is there'
machine
echo 900 >"$FAKE_DIR/free-mb"
setup
one_line_error 74 '1658 MB needed, 900 MB available'
equal 0 "$(downloads)" downloads
echo 99999 >"$FAKE_DIR/free-mb"
: >"$FAKE_DIR/disk-fills"
setup
one_line_error 74 'the disk became full while unpacking'
rm "$FAKE_DIR/disk-fills"
setup
equal 0 "$code" "code ($output)"

claims 'missing packages are installed with their sizes said first'
machine
: >"$FAKE_DIR/packages-missing"
if [ "$(id -u)" -eq 0 ]; then
  setup
  equal 0 "$code" "code ($output)"
  contains "$output" 'Debian packages to install: cmake'
  contains "$output" 'downloading 10 MB of packages, 1235 MB when installed'
  rm "$FAKE_DIR/packages-installed"
  : >"$FAKE_DIR/no-network"
  setup
  one_line_error 69 'apt-get cannot reach the package mirror'
  rm "$FAKE_DIR/no-network"
  echo 700 >"$FAKE_DIR/free-mb"
  setup
  one_line_error 74 '1345 MB needed, 700 MB available'
else
  setup
  one_line_error 69 'neither root nor password-less sudo'
fi

claims 'a compiler that does not work and an old CMake are named'
machine
: >"$FAKE_DIR/no-compiler"
setup
one_line_error 69 'g++ cannot compile a C++20 program'
rm "$FAKE_DIR/no-compiler"
echo 3.22.1 >"$FAKE_DIR/cmake-version"
setup
one_line_error 69 'CMake 3.25 or newer is needed, this machine has 3.22'
equal 0 "$(downloads)" downloads

claims 'an unknown distribution is refused unless told otherwise, Ubuntu is said to be untested'
machine
LOCKSTEP_OS_RELEASE=$scratch/fedora setup
one_line_error 69 'Fedora 40 is not supported'
equal 1 "$(wc -l <<<"$output")" lines
LOCKSTEP_OS_RELEASE=$scratch/fedora LOCKSTEP_SETUP_ANY=1 setup
equal 0 "$code" "code ($output)"
machine
LOCKSTEP_OS_RELEASE=$scratch/ubuntu setup
equal 0 "$code" "code ($output)"
contains "$output" 'untested there'

claims 'a LibTorch of your own needs no download and must be one'
machine
mkdir -p "$FAKE_DIR/own/lib"
LOCKSTEP_TORCH=$FAKE_DIR/own setup
one_line_error 66 'holds no lib/libtorch_cpu.so'
: >"$FAKE_DIR/own/lib/libtorch_cpu.so"
LOCKSTEP_TORCH=$FAKE_DIR/own setup
equal 0 "$code" "code ($output)"
equal 0 "$(downloads)" downloads
LOCKSTEP_TORCH=$FAKE_DIR/own setup --cuda-build
one_line_error 66 'holds no lib/libtorch_cuda.so'

claims 'two at once: one waits and then finds nothing to do'
machine
: >"$FAKE_DIR/slow"
: >"$FAKE_DIR/calls"
"$repo/launch/setup" >"$FAKE_DIR/one" 2>&1 &
one=$!
"$repo/launch/setup" >"$FAKE_DIR/two" 2>&1 &
wait "$one"
equal 0 "$?" 'code of the first'
wait "$!"
equal 0 "$?" 'code of the second'
equal 3 "$(downloads)" 'wheels of both together'
equal 1 "$(cat "$FAKE_DIR/one" "$FAKE_DIR/two" | grep -c 'waiting for it')" waits

claims 'the command line is checked, and --help shows two examples'
setup --frob
one_line_error 64 "unknown argument '--frob'"
setup --help
equal 0 "$code" code
equal 'Examples:' "$(head -1 <<<"$output")" 'first line'

finish
