#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a training state costs a host: Lockstep beside PyTorch's DistributedDataParallel with its defaults, at 2 and at 4 ranks.

    build/peers/bin/python tests/bench/memory.py [--ranks 2,4] [--rounds N] [--json FILE] [--lockstep BINARY]

The sum of the ranks' PSS (proportional set size: a page that n processes map counts 1/n in each) while an mlp of 24.9 million parameters
trains with AdamW, less the same for an mlp of a few thousand: so what libraries cost is left out. Counted are parameters, gradients, the
optimizer's state and whatever idle memory either side keeps. No save is made, and none is staged (checkpoint.async: false). docs/benchmarks.md.
"""
import argparse
import pathlib
import statistics
import sys
import tempfile
import threading
import uuid

from ddp import HERE, Bench
from launch import ENVIRONMENT
from report import Report

MODELS = ("mlp", "mlp_small")


def pss_of_ranks(mark):
    """Bytes of all ranks of the run with this mark in their environment; 0 when there is none."""
    total = 0
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            is_rank = b"OMPI_COMM_WORLD_RANK=" in environment or b"\0LOCAL_RANK=" in environment
            if mark not in environment or not is_rank:
                continue
            for line in (process / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except (OSError, ValueError):
            continue  # it has just ended
    return total


class Sampler(threading.Thread):
    def __init__(self, mark):
        super().__init__()
        self.mark, self.seen, self.ended = mark, [], threading.Event()

    def run(self):
        while not self.ended.wait(0.02):
            self.seen.append(pss_of_ranks(self.mark))

    def steady(self):
        """Between start-up and end; the samples of a run are alike there."""
        self.ended.set()
        self.join()
        ranks = [sample for sample in self.seen if sample > 0]
        if len(ranks) < 20:
            sys.exit(f"memory.py: the run was too short, {len(ranks)} samples")
        return statistics.median(ranks[len(ranks) // 2:-3])


def sampled(run):
    mark = f"MEMORY_BENCH={uuid.uuid4()}"
    ENVIRONMENT.update([mark.split("=")])
    sampler = Sampler(mark.encode())
    sampler.start()
    run()
    return sampler.steady()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ranks", default="2,4")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    parser.add_argument("--lockstep", default=str(HERE.parent.parent / "build/dev/src/lockstep"))
    options = parser.parse_args()
    report = Report("memory", "MB a host", options.lockstep, rounds=options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.lockstep, pathlib.Path(folder), "full")
        for ranks in map(int, options.ranks.split(",")):
            cases = {"Lockstep": lambda model: bench.ours(model, ranks, "checkpoint.async=false"), "DDP, defaults": lambda model: bench.ddp(model, "plain", ranks=ranks)}
            for _ in range(options.rounds):
                for name, run in cases.items():
                    large, small = (sampled(lambda: run(model)) for model in MODELS)
                    report.add(f"{ranks} ranks", name, [(large - small) / 1e6])
                    report.write(options.json)
    report.print()
    report.write(options.json)


main()
