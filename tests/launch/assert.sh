# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests of this folder share: claims with counted checks, a scratch folder, waiting with a deadline.
set -uo pipefail

repo=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034  # for the tests
stubs=$repo/tests/launch/stubs
scratch=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-launch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
failures=0 checks=0 claim=''
export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
if [ "$(id -u)" -eq 0 ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

claims() { claim=$*; }

fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s: %s\n' "$claim" "$*" >&2
}

# equal WANTED GOT WHAT
equal() {
  checks=$((checks + 1))
  [ "$1" = "$2" ] || fail "$3: wanted '$1', got '$2'"
}

# contains TEXT PART
contains() {
  checks=$((checks + 1))
  [[ $1 == *"$2"* ]] || fail "no '$2' in: $1"
}

# lacks TEXT PART
lacks() {
  checks=$((checks + 1))
  [[ $1 != *"$2"* ]] || fail "'$2' in: $1"
}

# eventually SECONDS COMMAND…
eventually() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      fail "never true: $*"
      return 1
    fi
    sleep 0.05
  done
}

# finish: the last line of each test.
finish() {
  [ "$checks" -gt 0 ] || fail 'no check ran'
  printf '%d checks, %d failed\n' "$checks" "$failures"
  [ "$failures" -eq 0 ]
}
