#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One AdamW update of Lockstep beside ATen's fused kernel, Python's AdamW(fused=True) and the memory's limit.

    build/peers/bin/python tests/bench/optimizer.py [--elements N] [--threads 1,2] [--rounds N] [--json FILE] [--bench BINARY]

bench_optimizer takes all but Python in turns inside one process; such runs and Python's take turns (A B B A). --tiny --without-python: only shows
that it works. docs/benchmarks.md.
"""
import argparse
import json
import os
import pathlib
import sys
import tempfile

from launch import in_turns, output_of
from report import ROOT, Report

WORKER = str(pathlib.Path(__file__).resolve().parent / "peer_optimizer_worker.py")
NAMES = ("Lockstep", "ATen fused, flat", "ATen fused, 150 tensors", "PyTorch fused=True", "limit")


def ours(options, threads):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "cases.json"
        output_of([options.bench, "--elements", str(options.elements), "--threads", threads, "--rounds", str(options.turns), "--json", str(path),
                   *(["--tiny"] if options.tiny else [])], os.environ)
        return json.loads(path.read_text())["cases"]


def theirs(options, threads):
    return [json.loads(output_of([sys.executable, WORKER, str(options.elements), threads, str(options.turns)], os.environ))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--elements", type=int, default=32 << 20)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=4, help="processes of each side")
    parser.add_argument("--turns", type=int, default=9, help="updates of each process")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--without-python", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--bench", default=str(ROOT / "build/dev/tests/bench/bench_optimizer"))
    options = parser.parse_args()
    sides = [ours] if options.without_python else [ours, theirs]
    report = Report("optimizer", "Milliseconds", options.bench, parameters=options.elements, processes=options.rounds, turns=options.turns)
    for threads in options.threads.split(","):
        for side in in_turns(sides, options.rounds):
            for case in side(options, threads):
                report.add(f"{threads} {'thread' if threads == '1' else 'threads'}", case["name"], case["ms"])
    report.sort(NAMES)
    report.print()
    report.write(options.json)


main()
