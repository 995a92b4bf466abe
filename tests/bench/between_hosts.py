#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A step of two hosts of two ranks each with a slow link between them: how gradients go, and whether they leave during backward, in turns.

    tests/bench/between_hosts.py [--rate 1gbit] [--rounds N] [--json FILE] [--lockstep BINARY] [--tiny]

The hosts are network namespaces of this machine (tests/support/hosts.py), their link is held to the rate by tc. Where the ranks are more than the
cores, those that wait for the link give theirs away (mpi_yield_when_idle). ResNet-18, batch 8 a rank: 47 MB of gradients. --tiny: an mlp, which
only shows that it starts. Ends with 77 where this machine makes no such hosts. docs/benchmarks.md.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from launch import in_turns
from report import ROOT, Report

sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests/support"))
import hosts

ROADS = {"Between hosts, during backward": ["dist.overlap=on"],
         "Between hosts, after backward": ["dist.overlap=off"],
         "From rank to rank, during backward": ["dist.shared_memory=false", "dist.overlap=on"],
         "From rank to rank, after backward": ["dist.shared_memory=false", "dist.overlap=off"]}
RESNET = """model: {type: resnet18, classes: 10, stem: cifar}
data: {type: cifar10, train: {path: images.bin}}
train: {steps: 12, micro_batch: 8, global_batch: 32, threads: 1, device: cpu}
"""
MLP = """model: {type: mlp, inputs: 8, hidden: [64], outputs: 8}
data: {type: synthetic, samples: 512, input_shape: [8], classes: 0, targets: 8}
train: {steps: 5, micro_batch: 4, global_batch: 16, threads: 1, device: cpu}
"""
COMMON = """version: 1
run: {name: between-hosts, seed: 7}
optim: {type: adamw, lr: 1e-3}
log: {every_steps: 1}
"""
WARM_UP = 3  # steps: in the first nothing leaves during backward
MPIRUN = "mpirun -q -n 4 --hostfile hostfile --bind-to none --mca pml ob1 --mca btl self,vader,tcp --mca mpi_yield_when_idle 1"


def prepare(folder, rate, tiny):
    hosts.make(folder, (2, 2))
    for host in ("h1", "h2"):
        hosts.sh(f"nsenter --net=/run/netns/{host} tc qdisc add dev eth0 root tbf rate {rate} burst 256kb latency 50ms")
    pathlib.Path(folder, "config.yaml").write_text(COMMON + (MLP if tiny else RESNET))
    noise = os.urandom(256 * 3072)
    images = (bytes([i % 10]) + noise[3072 * i:3072 * (i + 1)] for i in range(256))
    pathlib.Path(folder, "images.bin").write_bytes(b"".join(images))


def steps_of(folder, binary, run, overrides):
    """Of each step its record in the run's journal."""
    command = f"cd {folder} && exec {MPIRUN} {binary} train -c config.yaml run.dir={run} {' '.join(overrides)}"
    done = subprocess.run([f"{folder}/on", "h1", command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"between_hosts.py: {command}: {done.returncode}\n{done.stderr}")
    return [json.loads(line) for line in pathlib.Path(folder, run, "metrics.jsonl").read_text().splitlines()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", default="1gbit")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json")
    parser.add_argument("--lockstep", default=str(ROOT / "build/dev/src/lockstep"))
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if "LOCKSTEP_TEST_HOSTS" not in os.environ:
        checked = subprocess.run([ROOT / "tests/support/two_hosts", "--check"], check=False)
        if checked.returncode != 0:
            return checked.returncode
    hosts.enter()
    report = Report("between_hosts", "Milliseconds a step", options.lockstep, rate=options.rate, rounds=options.rounds)
    losses = set()
    with tempfile.TemporaryDirectory(prefix="lockstep-hosts-") as folder:
        try:
            prepare(folder, options.rate, options.tiny)
        except subprocess.CalledProcessError as error:
            print(f"no network namespaces here: {error}")
            return 77
        for run, name in enumerate(in_turns(list(ROADS), options.rounds)):
            steps = steps_of(folder, options.lockstep, f"run{run}", ROADS[name])
            losses.add(tuple(step["loss"] for step in steps))
            report.add("mlp" if options.tiny else "resnet18", name, [1e3 * sum(step["seconds"].values()) for step in steps[WARM_UP:]])
    if len(losses) != 1:
        sys.exit("between_hosts.py: the roads lead to different losses")
    report.sort(list(ROADS))
    report.print()
    report.write(options.json)
    return 0


sys.exit(main())
