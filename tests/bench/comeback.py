#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From the SIGKILL of a rank to the end of the next optimizer step: Lockstep's supervisor beside torchrun, in turns.

    build/peers/bin/python tests/bench/comeback.py [--pairs N] [--limit RATIO] [--lockstep BINARY] [--no-peer] [--json FILE]

Two ranks of one thread, an mlp of 24.9 million parameters with AdamW, a checkpoint every fifth step. Rank 1 and rank 0 are killed in turn, two
or three steps after a commit. Both sides are killed in one round, one after the other, in the order A B B A. docs/benchmarks.md.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from report import Report

HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 30

CONFIG = """version: 1
run: {name: comeback, seed: 7}
model: {type: mlp, inputs: 1024, hidden: [2560, 2560, 2560, 2560], outputs: 1024}
data: {type: synthetic, samples: 512, input_shape: [1024], classes: 0, targets: 1024}
train: {steps: 100000, global_batch: 8, micro_batch: 4, threads: 1, device: cpu}
optim: {type: adamw, lr: 1e-4}
checkpoint: {every_steps: 5, keep_last: 2}
log: {every_steps: 1}
"""


class Hung(Exception):
    pass


def wait_for(what, condition):
    end = time.time() + LIMIT_S
    while time.time() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.005)
    raise Hung(what)


def lines(path):
    """Whole lines of a file that is being written."""
    if not path.exists():
        return []
    return [line for line in path.read_text().split("\n")[:-1] if line]


def ranks_of(word, variable, session=None):
    """pid of each rank whose command line holds `word`, by rank; of one process session alone, where it is given."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if word.encode() not in (entry / "cmdline").read_bytes():
                continue
            if session is not None and os.getsid(int(entry.name)) != session:
                continue
            for item in (entry / "environ").read_bytes().split(b"\0"):
                if item.startswith(variable.encode() + b"="):
                    found[int(item.split(b"=")[1])] = int(entry.name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


class Job:
    """A job with two ranks that goes on until end()."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)

    def come_back(self, victim):
        """Kills `victim`; seconds until the first step of the next life has ended."""
        life, _ = wait_for("steps after a checkpoint", self.ready)
        ranks = wait_for("both ranks", lambda: (r := self.ranks()) if len(self.ranks()) == 2 else None)
        os.kill(ranks[victim], signal.SIGKILL)
        start = time.time()
        wait_for("a step after the kill", lambda: self.last_step()[0] > life)
        return time.time() - start

    def end(self):
        for pid in [self.process.pid, *self.ranks().values()]:
            try:
                os.killpg(os.getpgid(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


class Lockstep(Job):
    name = "Lockstep"

    def __init__(self, folder, binary):
        self.run = folder / "run"
        config = folder / "run.yaml"
        config.write_text(CONFIG)
        super().__init__([str(binary), "run", "-n", "2", str(config), f"run.dir={self.run}"],
                         {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"})

    def last_step(self):
        found = lines(self.run / "metrics.jsonl")
        line = json.loads(found[-1]) if found else {"attempt": 0, "step": 0}
        return line["attempt"], line["step"]

    def ready(self):
        life, step = self.last_step()
        saved = self.run / "ckpt" / f"step-{step - step % 5:08}" / "manifest.json"
        return (life, step) if step > 6 and step % 5 in (2, 3) and saved.exists() else None

    def ranks(self):
        """Of the attempt that trains, and of none that stands by."""
        try:
            attempt = json.loads((self.run / "supervisor.json").read_text())["sessions"][0]["session"]
        except (FileNotFoundError, ValueError, IndexError):
            return {}
        return ranks_of(f"run.dir={self.run}", "OMPI_COMM_WORLD_RANK", attempt)


class Torchrun(Job):
    name = "torchrun"

    def __init__(self, folder, _):
        self.log, self.saved = folder / "log", folder / "saved.pt"
        # As shipped torchrun hangs in some of its restarts; this switch is what helps it.
        super().__init__([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "--max-restarts=1000",
                          str(HERE / "peer_comeback_worker.py"), str(self.log), str(self.saved)],
                         {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"})

    def last_step(self):
        found = lines(self.log)
        life, step = found[-1].split() if found else ("-1", "0")
        return int(life), int(step)

    def ready(self):
        life, step = self.last_step()
        return (life, step) if step > 6 and step % 5 in (2, 3) and self.saved.exists() else None

    def ranks(self):
        return ranks_of(str(self.log), "LOCAL_RANK")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--pairs", type=int, default=10)
    options.add_argument("--limit", type=float, help="end with 1 when Lockstep / torchrun is above this")
    options.add_argument("--lockstep", type=pathlib.Path, default=HERE.parents[1] / "build/dev/src/lockstep")
    options.add_argument("--no-peer", action="store_true")
    options.add_argument("--json", help="a report (report.py)")
    given = options.parse_args()
    sides = [Lockstep] if given.no_peer else [Lockstep, Torchrun]
    report = Report("comeback", "Seconds from the kill to the next step", given.lockstep, pairs=given.pairs)
    times, hangs = {side: [] for side in sides}, {side: 0 for side in sides}
    for round_ in range(given.pairs):
        for side in sides if round_ % 2 == 0 else sides[::-1]:
            folder = pathlib.Path(tempfile.mkdtemp(prefix="comeback."))
            job = side(folder, given.lockstep)
            try:
                times[side].append(job.come_back(1 - round_ % 2))
            except Hung as hung:
                hangs[side] += 1
                print(f"{side.name}: no {hung} within {LIMIT_S} s", flush=True)
            finally:
                job.end()
                shutil.rmtree(folder, ignore_errors=True)
    for side in sides:
        found = sorted(times[side])
        if found:
            print(f"{side.name:10} {statistics.median(found):6.2f} s ({found[0]:.2f}-{found[-1]:.2f})  {len(found)} kills, {hangs[side]} hangs")
        report.add("2 ranks", side.name, found)
    report.write(given.json)
    if given.no_peer or not all(times.values()):
        return int(any(hangs.values()))
    ratio = statistics.median(times[Lockstep]) / statistics.median(times[Torchrun])
    print(f"ratio {ratio:.2f}")
    return int(hangs[Lockstep] > 0 or (given.limit is not None and ratio > given.limit))


if __name__ == "__main__":
    sys.exit(main())
