#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tokens a second of GPT-2 (124 M parameters) in bf16 on one device: Lockstep beside PyTorch's loop, eager and compiled.

    gpt2_tokens.py [--lockstep BINARY] [--device cuda] [--rounds N] [--batch N] [--json FILE] [--tiny]

Same layers, shapes, batch and fused AdamW on all sides, made-up tokens; PyTorch has its batch on the device already. --tiny: a small model of a
few steps, which shows that all three start. launch/gpu-check --bench calls it; docs/benchmarks.md.
"""
import argparse
import datetime
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import torch
import torch.nn.functional as F

from peer_ddp_worker import Gpt

HERE = pathlib.Path(__file__).resolve().parent
SIZES = {"full": dict(vocab=50304, context=1024, layers=12, width=768, heads=12), "tiny": dict(vocab=256, context=32, layers=2, width=32, heads=2)}


class Bench:
    def __init__(self, options, folder):
        self.lockstep, self.device, self.folder = options.lockstep, options.device, folder
        self.size = SIZES["tiny" if options.tiny else "full"]
        self.batch, self.every = options.batch, 2 if options.tiny else 10
        tokens = numpy.random.default_rng(1).integers(0, self.size["vocab"], 64 * self.batch * self.size["context"] + 1)
        tokens.astype(numpy.uint16).tofile(folder / "tokens.bin")
        shape = ", ".join(f"{key}: {value}" for key, value in self.size.items())
        (folder / "gpt2.yaml").write_text(
            f"version: 1\nrun: {{name: gpt2, seed: 7}}\nmodel: {{type: gpt, {shape}}}\n"
            f"data: {{type: tokens, token_dtype: uint16, train: {{path: {folder}/tokens.bin}}}}\n"
            f"train: {{steps: {5 * self.every}, global_batch: {self.batch}, micro_batch: {self.batch}, device: {self.device}, precision: bf16}}\n"
            f"optim: {{type: adamw, lr: 1e-4}}\ncheckpoint: {{every_steps: 1000000}}\nlog: {{every_steps: {self.every}}}\n")

    def ours(self, *overrides):
        """Milliseconds a step, of stretches between two lines of metrics.jsonl; the first has the start-up in it, the last the end."""
        run = self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        done = subprocess.run([self.lockstep, "train", "-c", str(self.folder / "gpt2.yaml"), f"run.dir={run}", *overrides], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"lockstep train: {done.returncode}\n{done.stderr}")
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        marks = [(line["step"], datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00"))) for line in lines
                 if line["step"] % self.every == 0][:-1]
        return [1e3 * (after[1] - before[1]).total_seconds() / (after[0] - before[0]) for before, after in zip(marks, marks[1:])]

    def torch(self, compiled):
        torch.manual_seed(0)
        model = Gpt(**self.size).to(self.device)
        forward = torch.compile(model) if compiled else model
        optim = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
        text = torch.randint(0, self.size["vocab"], (self.batch, self.size["context"] + 1), device=self.device)
        x, y = text[:, :-1].contiguous(), text[:, 1:].reshape(-1)
        wait = torch.cuda.synchronize if self.device.startswith("cuda") else lambda: None

        def step():
            optim.zero_grad()
            with torch.autocast(self.device.split(":")[0], torch.bfloat16):
                loss = F.cross_entropy(forward(x).view(-1, self.size["vocab"]), y)
            loss.backward()
            optim.step()
            return loss.item()  # a loop looks at its loss, as Lockstep does

        for _ in range(self.every):
            step()
        times = []
        for _ in range(3):
            wait()
            start = time.perf_counter()
            for _ in range(self.every):
                step()
            wait()
            times.append(1e3 * (time.perf_counter() - start) / self.every)
        return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lockstep", default=str(HERE.parent.parent / "build/cuda/src/lockstep"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--json")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, pathlib.Path(folder))
        cases = {"Lockstep": bench.ours}
        if options.device.startswith("cuda"):
            cases["Lockstep, CUDA graph"] = lambda: bench.ours("train.cuda_graph=true")
        cases |= {"PyTorch eager": lambda: bench.torch(False), "PyTorch compiled": lambda: bench.torch(True)}
        times = {name: [] for name in cases}
        for turn in range(options.rounds):
            for name in list(cases)[:: -1 if turn % 2 else 1]:
                times[name] += cases[name]()
    tokens = bench.batch * bench.size["context"]
    name = torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device
    print(f"{name}, torch {torch.__version__}, {'a tiny gpt' if options.tiny else 'GPT-2 124M'}, bf16, {tokens} tokens a step: median (range)")
    base = statistics.median(times["Lockstep"])
    for case, ms in times.items():
        middle = statistics.median(ms)
        print(f"{case:20} {1e3 * tokens / middle:10.0f} tokens/s  {middle:8.1f} ms ({min(ms):.1f}-{max(ms):.1f})  {middle / base:5.2f} of Lockstep's time")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"device": name, "torch": torch.__version__, "tokens": tokens, "ms": times}) + "\n")


if __name__ == "__main__":
    main()
