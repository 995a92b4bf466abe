#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A training step of Lockstep at 1 and 2 ranks beside PyTorch's, in turns: DistributedDataParallel over gloo, two processes that exchange
nothing, and one process; also with malloc settings like ours.

    build/peers/bin/python tests/bench/ddp.py [--rounds N] [--models mlp,gpt,resnet18] [--bf16] [--json FILE] [--lockstep BINARY]

One thread a rank, each rank on a core of its own. --bf16: both sides in autocast to bfloat16, beside Lockstep in float32. --json: a report
(report.py). docs/benchmarks.md.
"""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import numpy

from launch import ENVIRONMENT, MPIRUN, in_turns, output_of
from report import Report

HERE = pathlib.Path(__file__).resolve().parent
WORKER = str(HERE / "peer_ddp_worker.py")
# Between two lines of metrics.jsonl: a line's step also takes the gradient's norm, and rank 0 writes.
EVERY = {"mlp": 20, "mlp_small": 1500, "gpt": 4, "resnet18": 10}
SECTIONS = {
    "mlp": """model: {type: mlp, inputs: 1024, hidden: [2560, 2560, 2560, 2560], outputs: 1024}
data: {type: npz, train: {path: mlp.npz}}
""",
    "mlp_small": """model: {type: mlp, inputs: 1024, hidden: [8], outputs: 1024}
data: {type: npz, train: {path: mlp.npz}}
""",
    "gpt": """model: {type: gpt, layers: 6, heads: 6, width: 384, context: 256, vocab: 256}
data: {type: text, train: {path: text}}
""",
    "resnet18": """model: {type: resnet18, classes: 10, stem: imagenet}
data: {type: npz, train: {path: resnet18.npz}}
""",
}
# For PyTorch's processes what Lockstep sets by mallopt() for its own (src/memory/malloc_settings.cpp): what is freed stays mapped.
MEMORY = next(int(line.split()[1]) << 10 for line in open("/proc/meminfo") if line.startswith("MemTotal"))
KEPT = str(min(max(MEMORY // 16, 32 << 20), 1 << 30))
MALLOC = {"MALLOC_MMAP_THRESHOLD_": KEPT, "MALLOC_TRIM_THRESHOLD_": KEPT, "MALLOC_TOP_PAD_": str(16 << 20)}
MICRO_BATCH = {"mlp": 4, "mlp_small": 4, "gpt": 4, "resnet18": 32}


class Bench:
    def __init__(self, lockstep, folder, precision):
        self.lockstep, self.folder, self.precision = lockstep, folder, precision
        self.cores = sorted(os.sched_getaffinity(0))
        if len(self.cores) < 2:
            sys.exit("ddp.py: two cores are needed")
        # Stored, not made up on the way: a rank's data thread has the same core.
        draw = numpy.random.default_rng(1)
        numbers = lambda *shape: draw.standard_normal(shape, dtype=numpy.float32)
        numpy.savez(folder / "mlp.npz", x=numbers(256, 1024), y=numbers(256, 1024))
        numpy.savez(folder / "resnet18.npz", image=numbers(512, 3, 32, 32), y=draw.integers(0, 10, 512))
        (folder / "text").write_bytes(bytes(97 + (i * i * 7 + i // 13) % 26 for i in range(1 << 17)))
        for model, sections in SECTIONS.items():
            every = EVERY[model]
            (folder / f"{model}.yaml").write_text(
                f"version: 1\nrun: {{name: {model}, seed: 7}}\n{sections}"
                f"train: {{steps: {5 * every}, global_batch: {MICRO_BATCH[model]}, micro_batch: {MICRO_BATCH[model]}, threads: 1, device: cpu}}\n"
                "optim: {type: adamw, lr: 1e-4}\ncheckpoint: {every_steps: 1000000}\n"
                f"log: {{every_steps: {every}}}\n")

    def ours(self, model, ranks, *overrides):
        run = self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        train = [self.lockstep, "train", "-c", str(self.folder / f"{model}.yaml"), f"run.dir={run}",
                 f"train.global_batch={ranks * MICRO_BATCH[model]}", f"train.precision={self.precision}", *overrides]
        cores = " ".join(map(str, self.cores))
        pinned = ["bash", "-c", 'cores=($0); exec taskset -c "${cores[${OMPI_COMM_WORLD_LOCAL_RANK:-0} % ${#cores[@]}]}" "$@"', cores]
        launcher = [*MPIRUN, "-n", str(ranks)] if ranks > 1 else []
        self.call([*launcher, *pinned, *train])
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        # The first stretch has the start-up in it, the last the end.
        marks = [(line["step"], datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00"))) for line in lines
                 if line["step"] % EVERY[model] == 0][:-1]
        return [1e3 * (after[1] - before[1]).total_seconds() / (after[0] - before[0])
                for before, after in zip(marks, marks[1:])]

    def worker(self, model, optimizer, core=None):
        return [WORKER, model, optimizer, self.precision, str(4 * EVERY[model]), *([] if core is None else [str(core)])]

    def ddp(self, model, optimizer, settings={}, ranks=2):
        torchrun = str(pathlib.Path(sys.executable).parent / "torchrun")
        return json.loads(self.call([torchrun, "--standalone", f"--nproc_per_node={ranks}", *self.worker(model, optimizer)], settings))

    def independent(self, model, settings={}):
        two = [subprocess.Popen([sys.executable, *self.worker(model, "fused", core)], env=ENVIRONMENT | settings,
                                stdout=subprocess.PIPE, text=True) for core in self.cores[:2]]
        return max((json.loads(one.communicate()[0]) for one in two), key=statistics.median)

    def bare(self, model, settings={}):
        return json.loads(self.call([sys.executable, *self.worker(model, "fused", self.cores[0])], settings))

    def call(self, command, settings={}):
        return output_of(command, ENVIRONMENT | settings).strip().rsplit("\n", 1)[-1]


def cases_of(bench, model):
    in_bf16 = {
        "Lockstep, 2 ranks": lambda: bench.ours(model, 2),
        "Lockstep, 2 ranks, float32": lambda: bench.ours(model, 2, "train.precision=full"),
        "DDP gloo, fused AdamW": lambda: bench.ddp(model, "fused"),
        "2 processes without exchange": lambda: bench.independent(model),
    }
    return in_bf16 if bench.precision == "bf16" else {
        "Lockstep, 2 ranks": lambda: bench.ours(model, 2),
        "Lockstep, 2 ranks, clipped": lambda: bench.ours(model, 2, "train.grad_clip=1.0"),
        "Lockstep, 2 ranks, messages": lambda: bench.ours(model, 2, "dist.shared_memory=false"),
        # As auto would not on cores that all compute: what a thread that sends costs there.
        "Lockstep, 2 ranks, messages, overlap": lambda: bench.ours(model, 2, "dist.shared_memory=false", "dist.overlap=on"),
        "DDP gloo, fused AdamW": lambda: bench.ddp(model, "fused"),
        "DDP gloo, fused AdamW, our malloc settings": lambda: bench.ddp(model, "fused", MALLOC),
        "DDP gloo, fused AdamW, clipped": lambda: bench.ddp(model, "fused_clipped"),
        "DDP gloo, default AdamW": lambda: bench.ddp(model, "default"),
        "2 processes without exchange": lambda: bench.independent(model),
        "2 processes, our malloc settings": lambda: bench.independent(model, MALLOC),
        "Lockstep, 1 rank": lambda: bench.ours(model, 1),
        "PyTorch, 1 process": lambda: bench.bare(model),
        "PyTorch, 1 process, our malloc settings": lambda: bench.bare(model, MALLOC),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", default="mlp,gpt,resnet18")
    parser.add_argument("--bf16", action="store_const", const="bf16", default="full", dest="precision")
    parser.add_argument("--json")
    parser.add_argument("--lockstep", default=str(HERE.parent.parent / "build/dev/src/lockstep"))
    options = parser.parse_args()
    report = Report("ddp_bf16" if options.precision == "bf16" else "ddp", "Milliseconds a step", options.lockstep, rounds=options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.lockstep, pathlib.Path(folder), options.precision)
        for model in options.models.split(","):
            cases = cases_of(bench, model)
            for name in in_turns(list(cases), options.rounds):
                report.add(model, name, cases[name]())
            report.write(options.json)  # what there is, should the rest fail
    report.sort(list(cases))
    report.print()
    report.write(options.json)


if __name__ == "__main__":
    main()
