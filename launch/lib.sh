# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share. Sourced, never run; it changes neither the directory nor any shell option.

lockstep_root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lockstep_self=launch/$(basename "$0")
deps_dir=${LOCKSTEP_DEPS:-$lockstep_root/.deps}
torch_version=2.11.0
torch_tree=$deps_dir/libtorch-$torch_version

say() { printf '%s: %s\n' "$lockstep_self" "$*"; }
warn() { printf '%s: %s\n' "$lockstep_self" "$*" >&2; }

# die CODE MESSAGE: one line on stderr, then exit CODE.
die() {
  local code=$1
  shift
  warn "$*"
  exit "$code"
}

# Open MPI refuses root unless told twice; in a container root is all there is.
allow_mpi_as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
}

# torch_dir: prints the folder of the LibTorch in use.
torch_dir() { printf '%s\n' "${LOCKSTEP_TORCH:-$torch_tree/torch}"; }

# have_torch_cuda: true when that LibTorch has beside it what the CUDA backend needs to compile and link.
have_torch_cuda() {
  local torch
  torch=$(torch_dir)
  [ -e "$torch/lib/libtorch_cuda.so" ] && [ -e "$torch/../nvidia/nccl/include/nccl.h" ] &&
    [ -e "$torch/../nvidia/cu13/include/cuda_runtime.h" ]
}

# find_lockstep: prints the binary to run: LOCKSTEP_BIN, a build beside this folder, or the one installed with it (from
# <prefix>/share/lockstep).
find_lockstep() {
  local candidate
  if [ -n "${LOCKSTEP_BIN:-}" ]; then
    [ -x "$LOCKSTEP_BIN" ] || return 1
    printf '%s\n' "$LOCKSTEP_BIN"
    return 0
  fi
  for candidate in build/dev/src/lockstep build/release/src/lockstep ../../bin/lockstep; do
    if [ -x "$lockstep_root/$candidate" ]; then
      printf '%s\n' "$lockstep_root/$candidate"
      return 0
    fi
  done
  command -v lockstep
}

# configure PRESET: what CMake has to say is shown when it fails. The cache must not outlive a change of LOCKSTEP_TORCH.
configure() {
  local output
  output=$(cd "$lockstep_root" && cmake --preset "$1" "-DLOCKSTEP_TORCH=$(torch_dir)" 2>&1) && return
  printf '%s\n' "$output" >&2
  die 1 "cmake --preset $1 failed"
}

# build PRESET [TARGET…]
build() {
  local preset=$1
  shift
  [ "$#" -eq 0 ] || set -- --target "$@"
  cmake --build "$lockstep_root/build/$preset" -j "$(nproc)" "$@" || die 1 "the build of preset $preset failed"
}
