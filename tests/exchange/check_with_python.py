# SPDX-License-Identifier: Apache-2.0
"""Exchange with PyTorch itself, both ways, for mlp, resnet50 and gpt. Not part of launch/test.

    python3 check_with_python.py build/dev/src/lockstep

Also for a gpt whose norms and biases are a param_group of their own.

Needs torch 2.11, torchvision, safetensors and h5py. For each model: what Lockstep exports loads (weights_only, strict) bit for bit and Python
trains on from it as Lockstep does; what torch.save wrote is imported, and Lockstep trains on from it as Python does. Both compare the losses of
the next 10 steps and the weights after them.
"""
import argparse
import fnmatch
import json
import math
import os
import pathlib
import subprocess
import tempfile

import h5py
import numpy as np
import torch
import torchvision
from safetensors.torch import load_model
from torch import nn
from torch.nn import functional as F

EPOCH_STEPS = 5
MORE_STEPS = 10


class Mlp(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = (part.view(n, t, self.heads, width // self.heads).transpose(1, 2) for part in self.c_attn(x).split(width, 2))
        return self.c_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, t, width))


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt(nn.Module):
    """GPT-2 as the world knows it: lm_head is a module of its own, tied to wte."""

    def __init__(self, layers, heads, width, context, vocab):
        super().__init__()
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(vocab, width),
            "wpe": nn.Embedding(context, width),
            "h": nn.ModuleList(Block(width, heads) for _ in range(layers)),
            "ln_f": nn.LayerNorm(width),
        })
        self.lm_head = nn.Linear(width, vocab, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight

    def forward(self, tokens):
        parts = self.transformer
        x = parts["wte"](tokens) + parts["wpe"](torch.arange(tokens.shape[1]))
        for block in parts["h"]:
            x = block(x)
        return self.lm_head(parts["ln_f"](x))


CASES = {
    "mlp": {"model": {"type": "mlp", "inputs": 20, "hidden": [32, 16], "outputs": 5}, "input": [20], "classes": 5, "batch": 8,
            "optim": {"type": "adamw", "lr": 1e-3, "betas": [0.9, 0.95], "weight_decay": 0.1},
            "make": lambda: Mlp([20, 32, 16, 5])},
    "resnet50": {"model": {"type": "resnet50", "classes": 10}, "input": [3, 64, 64], "classes": 10, "batch": 8,
                 "optim": {"type": "sgd", "lr": 1e-3, "momentum": 0.9, "weight_decay": 1e-4},
                 "make": lambda: torchvision.models.resnet50(num_classes=10)},
    "gpt": {"model": {"type": "gpt", "layers": 2, "heads": 2, "width": 32, "context": 16, "vocab": 50}, "batch": 8,
            "optim": {"type": "adam", "lr": 3e-4, "weight_decay": 0.01}, "make": lambda: Gpt(2, 2, 32, 16, 50)},
    "gpt_groups": {"model": {"type": "gpt", "layers": 2, "heads": 2, "width": 32, "context": 16, "vocab": 50}, "batch": 8, "more": 20,
                   "optim": {"type": "adamw", "lr": 3e-3, "weight_decay": 0.1,
                             "groups": [{"match": ["*.bias", "*.ln_*"], "weight_decay": 0.0}, {"match": ["*.wpe.weight"], "lr": 1e-3}]},
                   "make": lambda: Gpt(2, 2, 32, 16, 50)},
}
OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Twin:
    """One case in one dtype: the data, Python's model and optimizer, Lockstep's config."""

    def __init__(self, lockstep, folder, name, dtype):
        self.lockstep, self.folder, self.case, self.dtype = lockstep, folder, CASES[name], getattr(torch, dtype)
        self.seed(1)
        count = EPOCH_STEPS * self.case["batch"]
        data = {"shuffle": False}
        self.more = self.case.get("more", MORE_STEPS)
        if name.startswith("gpt"):
            context = self.case["model"]["context"]
            tokens = torch.randint(0, 50, (count * context + 1,))
            tokens.numpy().astype(np.uint16).tofile(folder / "tokens.bin")
            self.inputs, self.targets = tokens[:-1].view(count, context), tokens[1:].view(count, context)
            data.update(type="tokens", train={"path": "tokens.bin"})
        else:
            self.inputs = torch.randn([count, *self.case["input"]], dtype=self.dtype)
            self.targets = torch.randint(0, self.case["classes"], (count,))
            with h5py.File(folder / "data.h5", "w") as file:
                file["x"], file["y"] = self.inputs.numpy(), self.targets.numpy()
            data.update(type="hdf5", train={"path": "data.h5", "inputs": "/x", "labels": "/y"})
        batch = self.case["batch"]
        config = {"version": 1, "run": {"name": "twin", "seed": 3}, "model": self.case["model"], "data": data, "optim": self.case["optim"],
                  "train": {"steps": EPOCH_STEPS, "global_batch": batch, "micro_batch": batch, "dtype": dtype, "device": "cpu"},
                  "checkpoint": {"every_steps": EPOCH_STEPS}, "log": {"every_steps": 1}}
        (folder / "run.yaml").write_text(json.dumps(config))

    @staticmethod
    def seed(number):
        torch.manual_seed(number)

    def make(self):
        model = self.case["make"]().to(self.dtype).train()
        options = {key: value for key, value in self.case["optim"].items() if key not in ("type", "groups")}
        return model, OPTIMIZERS[self.case["optim"]["type"]](self.param_groups(model), **options)

    def param_groups(self, model):
        """The rest first, then the config's."""
        groups = [{"params": []}]
        groups += [{"params": [], **{key: value for key, value in group.items() if key != "match"}} for group in self.case["optim"].get("groups", [])]
        for name, parameter in model.named_parameters():
            of = [i for i, group in enumerate(self.case["optim"].get("groups", []), 1) if any(fnmatch.fnmatchcase(name, glob) for glob in group["match"])]
            groups[of[0] if of else 0]["params"].append(parameter)
        return groups

    def steps(self, model, optimizer, first, last, skipped=lambda step: []):
        """`skipped` says which parameters a step leaves without a gradient."""
        losses, batch, parameters = [], self.case["batch"], list(model.parameters())
        for step in range(first, last + 1):
            begin = (step - 1) % EPOCH_STEPS * batch
            optimizer.zero_grad()
            output = model(self.inputs[begin:begin + batch])
            loss = F.cross_entropy(output.flatten(0, -2), self.targets[begin:begin + batch].flatten())
            loss.backward()
            for number in skipped(step):
                parameters[number].grad = None
            optimizer.step()
            losses.append(loss.item())
        return losses

    def run(self, *words):
        result = subprocess.run([self.lockstep, *words], cwd=self.folder, capture_output=True, text=True)
        if result.returncode != 0:
            raise SystemExit(f"lockstep {' '.join(words)}: {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout

    def losses_of(self, run, first, last):
        lines = [json.loads(line) for line in (self.folder / run / "metrics.jsonl").read_text().splitlines()]
        by_step = {line["step"]: line["loss"] for line in lines}
        return [by_step[step] for step in range(first, last + 1)]

    def weights_of(self, run):
        with h5py.File(self.folder / run / "weights.h5") as file:
            return {name: torch.as_tensor(tensor[()]) for name, tensor in file["model"].items()}


def relative(a, b):
    return max(abs(x - y) / max(abs(y), 1e-12) for x, y in zip(a, b))


def weight_difference(weights, model):
    """The largest of a tensor's largest difference over its largest value."""
    state = model.state_dict()
    return max(((weights[name].double() - state[name].double()).abs().max() / state[name].double().abs().max().clamp_min(1e-12)).item()
               for name in weights if weights[name].is_floating_point())


def same_bits(loaded, stored):
    return all(loaded[name].numpy().tobytes() == stored[name][()].tobytes() for name in stored)


def lockstep_to_python(twin):
    last = EPOCH_STEPS + twin.more
    twin.run("train", "-c", "run.yaml", "run.dir=out")
    checkpoint = f"out/ckpt/step-{EPOCH_STEPS:08}"
    twin.run("ckpt", "export", checkpoint, "--to", "pth", "-o", "full.pth")
    twin.run("ckpt", "export", checkpoint, "--to", "pth", "-o", "weights.pth", "--weights-only")
    twin.run("ckpt", "export", checkpoint, "--to", "safetensors", "-o", "weights.safetensors")
    full = torch.load(twin.folder / "full.pth", weights_only=True)
    weights = torch.load(twin.folder / "weights.pth", weights_only=True)
    model, optimizer = twin.make()
    with h5py.File(twin.folder / checkpoint / "checkpoint.h5") as file:
        assert same_bits(full["model_state_dict"], file["model"]) and same_bits(weights, file["model"])
        other = twin.make()[0]
        load_model(other, twin.folder / "weights.safetensors")
        assert same_bits(other.state_dict(), file["model"])
        name_of = {parameter: name for name, parameter in model.named_parameters()}
        names = [name_of[parameter] for group in optimizer.param_groups for parameter in group["params"]]
        for number, slots in full["optimizer_state_dict"]["state"].items():
            for slot, tensor in slots.items():
                stored = file["optimizer"][slot]["all_parameters" if slot == "step" else names[number]]
                assert tensor.numpy().tobytes() == stored[()].tobytes(), (slot, number)
    model.load_state_dict(weights, strict=True)
    model.load_state_dict(full["model_state_dict"], strict=True)
    optimizer.load_state_dict(full["optimizer_state_dict"])
    ours, theirs = (state["param_groups"] for state in (full["optimizer_state_dict"], twin.make()[1].state_dict()))
    # A group that was given options has them first in Python.
    assert ours == theirs and list(ours[0]) == list(theirs[0]), "other groups than torch.optim's"
    assert full["epoch"] == 0 and full["step"] == EPOCH_STEPS
    losses = twin.steps(model, optimizer, EPOCH_STEPS + 1, last)
    twin.run("train", "-c", "run.yaml", "run.dir=out", f"train.steps={last}")
    return relative(twin.losses_of("out", EPOCH_STEPS + 1, last), losses), weight_difference(twin.weights_of("out"), model)


def python_to_lockstep(twin):
    last = EPOCH_STEPS + twin.more
    twin.seed(2)
    model, optimizer = twin.make()
    losses = twin.steps(model, optimizer, 1, EPOCH_STEPS)
    saved = {"epoch": 0, "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(), "loss": losses[-1]}
    torch.save(saved, twin.folder / "saved.pth")
    torch.save(saved, twin.folder / "saved.legacy.pth", _use_new_zipfile_serialization=False)
    twin.run("ckpt", "import", "saved.pth", "-c", "run.yaml", "-o", "imported")
    twin.run("ckpt", "import", "saved.legacy.pth", "-c", "run.yaml", "-o", "imported-legacy")
    hashes = [json.loads((twin.folder / name / "manifest.json").read_text())["state_hash"] for name in ("imported", "imported-legacy")]
    assert hashes[0] == hashes[1]
    twin.run("train", "-c", "run.yaml", "run.dir=back", "resume.mode=imported", f"train.steps={last}")
    losses = twin.steps(model, optimizer, EPOCH_STEPS + 1, last)
    return relative(twin.losses_of("back", EPOCH_STEPS + 1, last), losses), weight_difference(twin.weights_of("back"), model)


def skips_to_lockstep_and_back(twin):
    """Parameters that had fewer updates than others, and one that had none."""
    last = EPOCH_STEPS + twin.more
    twin.seed(2)
    model, optimizer = twin.make()
    losses = twin.steps(model, optimizer, 1, EPOCH_STEPS, skipped=lambda step: [-1] if step % 2 else [-1, 1])
    saved = {"epoch": 0, "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(), "loss": losses[-1]}
    torch.save(saved, twin.folder / "skips.pth")
    twin.run("ckpt", "import", "skips.pth", "-c", "run.yaml", "-o", "skips")
    twin.run("ckpt", "export", "skips", "--to", "pth", "-o", "again.pth")
    again = torch.load(twin.folder / "again.pth", weights_only=True)["optimizer_state_dict"]
    assert again["param_groups"] == saved["optimizer_state_dict"]["param_groups"]
    ours, theirs = again["state"], saved["optimizer_state_dict"]["state"]
    assert ours.keys() == theirs.keys(), "state of other parameters than torch.optim's"
    for number, slots in theirs.items():
        assert ours[number].keys() == slots.keys() and all(torch.equal(ours[number][slot], slots[slot]) for slot in slots), number
    twin.run("train", "-c", "run.yaml", "run.dir=skips-run", "resume.mode=skips", f"train.steps={last}")
    losses = twin.steps(model, optimizer, EPOCH_STEPS + 1, last)
    return relative(twin.losses_of("skips-run", EPOCH_STEPS + 1, last), losses), weight_difference(twin.weights_of("skips-run"), model)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lockstep")
    parser.add_argument("--only", help="one case, as mlp")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bad = 0
    for name in CASES if arguments.only is None else [arguments.only]:
        for dtype in ("float64", "float32"):
            # BatchNorm amplifies float32's rounding beyond any limit; bits and loading are still checked.
            limit = 1e-9 if dtype == "float64" else math.inf if name == "resnet50" else 1e-5
            with tempfile.TemporaryDirectory() as scratch:
                twin = Twin(os.path.abspath(arguments.lockstep), pathlib.Path(scratch), name, dtype)
                for way, check in (("to Python", lockstep_to_python), ("from Python", python_to_lockstep),
                                   ("with skips", skips_to_lockstep_and_back)):
                    loss, weights = check(twin)
                    verdict = "ok" if loss <= limit else "TOO FAR"
                    bad += loss > limit
                    print(f"{name:10} {dtype} {way:12} next {twin.more} losses within {loss:.1e} (limit {limit:.0e}), weights {weights:.1e}  "
                          f"{verdict}", flush=True)
    raise SystemExit(1 if bad else 0)


main()
