#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# simulation_test.sh PROGRAM LOCKSTEP WORK: batches of a simulation, the optimizer inside; one state at any number of ranks, killed and not.
source "$(dirname "${BASH_SOURCE[0]}")/example.sh"
one_state 120 63
grep -q '"best"' <("$lockstep" ckpt ls one --json) || [[ -e one/ckpt/best ]] || fail "no best checkpoint by the metric"
