#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# replay_test.sh PROGRAM LOCKSTEP WORK: a loop with much state of its own ends in one state at any number of ranks, killed and not.
source "$(dirname "${BASH_SOURCE[0]}")/example.sh"
one_state 60 33
