# SPDX-License-Identifier: Apache-2.0
"""How the benchmarks start ranks: one thread each, on one host, as root too."""
import os
import subprocess
import sys

ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMP_NUM_THREADS="1",
                   OMPI_MCA_btl_tcp_if_include="lo", OMPI_MCA_oob_tcp_if_include="lo")
MPIRUN = ["mpirun", "-q", "--oversubscribe", "--bind-to", "none", "--mca", "pml", "ob1", "--mca", "btl", "self,vader"]


def output_of(command, environment=ENVIRONMENT):
    """What it prints; its end ends us, with what it said."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.returncode}\n{done.stderr}")
    return done.stdout


def in_turns(sides, rounds):
    """A B C C B A …"""
    for turn in range(rounds):
        yield from sides[:: -1 if turn % 2 else 1]
