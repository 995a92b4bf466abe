#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gan_test.sh PROGRAM LOCKSTEP WORK: two modules and two optimizers, one state at any number of ranks, killed and not.
source "$(dirname "${BASH_SOURCE[0]}")/example.sh"
one_state 60 33
"$lockstep" ckpt show one >show.log 2>&1
[[ $(grep -c "^  generator" show.log) == 3 && $(grep -c "^  discriminator" show.log) == 3 ]] || fail "ckpt show: $(cat show.log)"
