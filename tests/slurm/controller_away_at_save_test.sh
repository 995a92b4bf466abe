#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# back_after SECONDS: the controller is away that long.
back_after() { (sleep "$1" && "$cluster" start-controller) & }

claims 'm2: the controller is away when the ranks have just saved: the job is requeued when it is back'
slow 20000
submit --ntasks=2 --time=10
eventually 40 at_step 30
node=$(field NodeList)
"$cluster" stop-controller
# scancel would need the controller: the batch shell gets what Slurm would send it.
pkill -USR1 -f "run --slurm tiny.yaml run.dir=$run"
eventually 40 log_says "Slurm's controller does not answer"
sleep 50
"$cluster" start-controller
eventually 60 log_says 'back into the queue'
ends_with COMPLETED 120
equal 1 "$(field Restarts)" requeues
same_bits
nothing_left
: "$node"

finish
