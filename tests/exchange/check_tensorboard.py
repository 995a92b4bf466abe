# SPDX-License-Identifier: Apache-2.0
"""What TensorBoard itself reads of runs that were killed. Not part of launch/test.

    python3 check_tensorboard.py build/dev/src/lockstep

Needs tensorboard. A run with log.tensorboard is killed by SIGKILL several times, once with a record cut in its middle, and resumed: each tag must
be one curve, each step once, and every value the one of metrics.jsonl as float32, bit for bit.
"""
import argparse
import collections
import json
import math
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.util import tensor_util

STEPS = 4000
KILLS = 3
CONFIG = {"version": 1, "run": {"name": "tb", "seed": 3}, "model": {"type": "mlp", "inputs": 20, "hidden": [16], "outputs": 5},
          "data": {"type": "synthetic", "samples": 640},
          "train": {"steps": STEPS, "global_batch": 16, "micro_batch": 8, "device": "cpu"},
          "optim": {"type": "adamw", "lr": 1e-3}, "checkpoint": {"every_steps": 150}, "log": {"every_steps": 1, "tensorboard": True}}
Point = collections.namedtuple("Point", "step value")
NOT_SHOWN = {"step", "epoch", "attempt", "time"}


def bits(value):
    return struct.pack("<f", math.nan if value is None else value)


def lines_of(run):
    """The last attempt's line of each step, and how many lines there are in all."""
    steps, count = {}, 0
    for text in (run / "metrics.jsonl").read_bytes().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        for step in [step for step in steps if step >= line["step"]]:
            del steps[step]
        line |= {f"seconds/{phase}": value for phase, value in line.pop("seconds", {}).items()}
        steps[line["step"]] = line
        count += 1
    return steps, count


def kill_behind(command, folder, run, step):
    """Kills the process as soon as its run has come behind that step."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    metrics = run / "metrics.jsonl"
    while process.poll() is None:
        if metrics.exists() and f'{{"step":{step},' in metrics.read_text(errors="replace")[-400000:]:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    return process.wait() == -signal.SIGKILL


def check(name, scalars, wanted):
    for tag, points in scalars.items():
        steps = [point.step for point in points]
        assert steps == sorted(set(steps)), f"{name}: {tag}: steps twice or out of order"
        expected = {step: line[tag] for step, line in wanted.items() if tag in line}
        assert steps == sorted(expected), f"{name}: {tag}: {len(steps)} steps, wanted {len(expected)}"
        for point in points:
            assert bits(point.value) == bits(expected[point.step]), f"{name}: {tag} at {point.step}: {point.value}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lockstep")
    lockstep = os.path.abspath(parser.parse_args().lockstep)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        run = folder / "out"
        (folder / "run.yaml").write_text(json.dumps(CONFIG))
        command = [lockstep, "train", "-c", "run.yaml", "run.dir=out"]
        killed = 0
        for number in range(1, KILLS + 1):
            killed += kill_behind(command, folder, run, number * STEPS // (KILLS + 1))
            newest = sorted((run / "tb").iterdir())[-1]
            if number == 2:  # as a kill between two pages of a write leaves it
                os.truncate(newest, newest.stat().st_size - 7)
        assert killed == KILLS, f"{killed} kills of {KILLS}: the run is too short for this machine"
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        wanted, lines = lines_of(run)
        assert lines > len(wanted), "no step was done anew: nothing was tested"
        assert len(wanted) == STEPS, len(wanted)
        files = sorted((run / "tb").iterdir())
        assert len(files) == KILLS + 1, files
        tags = set().union(*wanted.values()) - NOT_SHOWN
        accumulator = EventAccumulator(str(run / "tb"), size_guidance={"scalars": 0})
        accumulator.Reload()
        assert set(accumulator.Tags()["scalars"]) == tags, accumulator.Tags()
        check("EventAccumulator", {tag: accumulator.Scalars(tag) for tag in tags}, wanted)
        # What the web page is served from.
        multiplexer = EventMultiplexer(tensor_size_guidance={"scalars": 0}).AddRunsFromDirectory(str(run / "tb"))
        multiplexer.Reload()
        (only,) = multiplexer.Runs()
        for tag in tags:
            points = [Point(one.step, tensor_util.make_ndarray(one.tensor_proto).item()) for one in multiplexer.Tensors(only, tag)]
            check("EventMultiplexer", {tag: points}, wanted)
        print(f"TensorBoard: {len(tags)} tags of {len(wanted)} steps as metrics.jsonl has them, bit for bit; {KILLS} kills, "
              f"{lines - len(wanted)} lines superseded")


sys.exit(main())
