#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The mean of all ranks' gradients inside a host: Lockstep's exchange beside gloo (torch.distributed), MPI_Allreduce and the memory's limit.

    build/peers/bin/python tests/bench/allreduce.py [--ranks 2,4] [--mib 256,25] [--rounds N] [--json FILE] [--bench BINARY]

bench_allreduce takes all but gloo in turns inside one run; such runs and gloo's take turns (A B B A). Each rank is pinned to a core. --tiny, and
--without-gloo where there is no torch: only shows that it works. docs/benchmarks.md.
"""
import argparse
import json
import pathlib
import sys

from launch import MPIRUN, in_turns, output_of
from report import ROOT, Report

WORKER = str(pathlib.Path(__file__).resolve().parent / "peer_allreduce_worker.py")
NAMES = ("Lockstep", "gloo", "MPI_Allreduce", "limit", "limit, memory in common")


def lines_of(command):
    return [json.loads(line) for line in output_of(command).splitlines() if line.startswith("{")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", default="2,4")
    parser.add_argument("--mib", default="256,25")
    parser.add_argument("--rounds", type=int, default=4, help="runs of each side")
    parser.add_argument("--turns", type=int, default=7, help="all-reduces of each run")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--without-gloo", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--bench", default=str(ROOT / "build/dev/tests/bench/bench_allreduce"))
    options = parser.parse_args()
    kib = [64] if options.tiny else [1024 * int(size) for size in options.mib.split(",")]
    sizes = ",".join(map(str, kib))
    torchrun = str(pathlib.Path(sys.executable).parent / "torchrun")
    report = Report("allreduce", "Milliseconds", options.bench, runs=options.rounds, turns=options.turns)
    for ranks in map(int, options.ranks.split(",")):
        ours = [*MPIRUN, "-n", str(ranks), options.bench, "--kib", sizes, "--rounds", str(options.turns), *(["--unpinned"] if options.tiny else [])]
        gloo = [torchrun, "--standalone", f"--nproc_per_node={ranks}", WORKER, sizes, str(options.turns)]
        sides = [ours] if options.without_gloo else [ours, gloo]
        for side in in_turns(sides, options.rounds):
            for case in lines_of(side):
                size = f"{case['kib'] // 1024} MiB" if case["kib"] >= 1024 else f"{case['kib']} KiB"
                report.add(f"{size}, {ranks} ranks", case["name"], case["ms"])
    report.sort(NAMES)
    report.print()
    report.write(options.json)


main()
