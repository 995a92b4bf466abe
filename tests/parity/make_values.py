# SPDX-License-Identifier: Apache-2.0
"""Writes values.json, the numbers parity_test.cpp holds Lockstep to, with Python's torch 2.11 alone.

    python3 make_values.py > values.json

Models are written in plain torch.nn with the names Lockstep uses. Weights, inputs and targets are a function of a name and an
index (fill, below), which the C++ test computes too, so no generator has to agree.
"""
import fnmatch
import hashlib
import json
import math
import pathlib
import platform
import sys

import torch
from torch import nn
from torch.nn import functional as F

MASK = (1 << 64) - 1
STEPS = 10
TOLERANCE = 1e-5


def name_hash(name):
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value


def shift_right(x, n):
    """Logical, on int64 that hold 64-bit patterns."""
    return (x >> n) & ((1 << (64 - n)) - 1)


def hashes(name, count):
    """SplitMix64's outputs 1..count from the state name_hash(name), as bit patterns in int64."""
    index = torch.arange(1, count + 1, dtype=torch.int64)
    z = index * signed(0x9E3779B97F4A7C15) + signed(name_hash(name))
    z = (z ^ shift_right(z, 30)) * signed(0xBF58476D1CE4E5B9)
    z = (z ^ shift_right(z, 27)) * signed(0x94D049BB133111EB)
    return z ^ shift_right(z, 31)


def uniform(name, shape):
    """In [-1, 1), float64, exact in both languages."""
    bits = shift_right(hashes(name, math.prod(shape)), 11)
    return (bits.to(torch.float64) * 2.0**-52 - 1.0).reshape(shape)


def fill(model):
    """Matrices and kernels: 1/sqrt(fan in); norms: near 1; biases: small."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            value = uniform(name, parameter.shape)
            if parameter.dim() >= 2:
                value = value * (1.0 / math.sqrt(parameter.numel() // parameter.shape[0]))
            elif name.endswith("weight"):
                value = 1.0 + 0.1 * value
            else:
                value = 0.1 * value
            parameter.copy_(value)


def integers(name, shape, limit):
    return (shift_right(hashes(name, math.prod(shape)), 11) % limit).reshape(shape)


class Mlp(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


class BasicBlock(nn.Module):
    def __init__(self, inputs, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = None
        if stride != 1 or inputs != planes:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))

    def forward(self, x):
        skip = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)) + skip)


class ResNet18(nn.Module):
    def __init__(self, classes, stem):
        super().__init__()
        self.stem = stem
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False) if stem == "imagenet" else nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for stage, planes in enumerate([64, 128, 256, 512]):
            first = BasicBlock(inputs, planes, 1 if stage == 0 else 2)
            setattr(self, f"layer{stage + 1}", nn.Sequential(first, BasicBlock(planes, planes, 1)))
            inputs = planes
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        if self.stem == "imagenet":
            x = F.max_pool2d(x, 3, 2, 1)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = (part.view(n, t, self.heads, width // self.heads).transpose(1, 2) for part in self.c_attn(x).split(width, 2))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(mixed.transpose(1, 2).reshape(n, t, width))


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class GptBlock(nn.Module):
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
    def __init__(self, layers, heads, width, context, vocab):
        super().__init__()
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(vocab, width),
            "wpe": nn.Embedding(context, width),
            "h": nn.ModuleList(GptBlock(width, heads) for _ in range(layers)),
            "ln_f": nn.LayerNorm(width),
        })

    def forward(self, tokens):
        parts = self.transformer
        x = parts["wte"](tokens) + parts["wpe"](torch.arange(tokens.shape[1]))
        for block in parts["h"]:
            x = block(x)
        return F.linear(parts["ln_f"](x), parts["wte"].weight)


CASES = {
    "mlp": {"model": {"type": "mlp", "inputs": 20, "hidden": [32, 16], "outputs": 5}, "input": [8, 20], "target": [8]},
    "mlp_mse": {"model": {"type": "mlp", "inputs": 12, "hidden": [16], "outputs": 3}, "input": [8, 3, 4], "target": [8, 3]},
    "resnet18": {"model": {"type": "resnet18", "classes": 10, "stem": "cifar"}, "input": [4, 3, 16, 16], "target": [4]},
    "resnet18_imagenet": {"model": {"type": "resnet18", "classes": 7, "stem": "imagenet"}, "input": [4, 3, 48, 48],
                          "target": [4], "optimizers": ["adamw"]},
    "gpt": {"model": {"type": "gpt", "layers": 2, "heads": 2, "width": 32, "context": 16, "vocab": 50}, "input": [4, 16],
            "target": [4, 16]},
}
OPTIMIZERS = {
    "sgd": {"type": "sgd", "lr": 5e-3, "weight_decay": 0.01},
    "sgd_momentum": {"type": "sgd", "lr": 2e-3, "momentum": 0.9, "weight_decay": 0.001},
    "sgd_nesterov": {"type": "sgd", "lr": 2e-3, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "adam": {"type": "adam", "lr": 3e-4, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01},
    "adamw": {"type": "adamw", "lr": 3e-4, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.1},
}
# Two param_groups: what the globs match, and the rest.
GROUPS = {"case": "gpt", "steps": 20, "match": ["*.bias", "*.ln_*"], "weight_decay": 0.0,
          "optimizer": {"type": "adamw", "lr": 3e-3, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.1}}
# float32 weights under torch.autocast("cpu", torch.bfloat16).
MIXED = {"steps": 20, "cases": ["mlp", "mlp_mse", "resnet18", "gpt"], "optimizer": OPTIMIZERS["adamw"]}


def make_model(spec):
    if spec["type"] == "mlp":
        return Mlp([spec["inputs"], *spec["hidden"], spec["outputs"]])
    if spec["type"] == "resnet18":
        return ResNet18(spec["classes"], spec["stem"])
    return Gpt(spec["layers"], spec["heads"], spec["width"], spec["context"], spec["vocab"])


def make_optimizer(spec, parameters):
    options = {key: value for key, value in spec.items() if key != "type"}
    return {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec["type"]](parameters, **options)


def batch(name, case, dtype, step):
    """Another batch for every step."""
    key, model = f"{name}.{case['salt']}.{step}", case["model"]
    if model["type"] == "gpt":
        return integers(key + ".input", case["input"], model["vocab"]), integers(key + ".target", case["target"], model["vocab"])
    inputs = uniform(key + ".input", case["input"]).to(dtype)
    if name.endswith("_mse"):
        return inputs, uniform(key + ".target", case["target"]).to(dtype)
    return inputs, integers(key + ".target", case["target"], model.get("outputs", model.get("classes")))


def loss_of(output, target):
    if target.is_floating_point():
        return F.mse_loss(output, target)
    return F.cross_entropy(output.flatten(0, -2), target.flatten())


def losses(name, case, optimizer):
    model = make_model(case["model"]).to(torch.float64).train()
    fill(model)
    return train(name, case, model, make_optimizer(optimizer, model.parameters()), STEPS)


def grouped(case):
    model = make_model(case["model"]).to(torch.float64).train()
    fill(model)
    groups = [{"params": []}, {"params": [], "weight_decay": GROUPS["weight_decay"]}]
    for name, parameter in model.named_parameters():
        groups[any(fnmatch.fnmatchcase(name, glob) for glob in GROUPS["match"])]["params"].append(parameter)
    values = train(GROUPS["case"], case, model, make_optimizer(GROUPS["optimizer"], groups), GROUPS["steps"])
    return {**GROUPS, "losses": values, "parameters": {key: entries_of(value.detach().flatten()) for key, value in model.named_parameters()}}


def mixed(cases):
    values = {}
    for name in MIXED["cases"]:
        model = make_model(cases[name]["model"]).train()
        fill(model)
        optim = make_optimizer(MIXED["optimizer"], model.parameters())
        values[name] = train(name, cases[name], model, optim, MIXED["steps"], torch.bfloat16)
    return {**MIXED, "losses": values}


def entries_of(flat):
    return {"norm": flat.norm().item(), "entries": {str(i): flat[i].item() for i in sorted({0, flat.numel() // 3, flat.numel() - 1})}}


def train(name, case, model, optim, steps, autocast=None):
    values = []
    for step in range(steps):
        inputs, target = batch(name, case, torch.float32 if autocast else torch.float64, step)
        optim.zero_grad()
        with torch.autocast("cpu", autocast, enabled=autocast is not None):
            loss = loss_of(model(inputs), target)
        loss.backward()
        optim.step()
        values.append(loss.item())
    return values


def first_gradients(name, case, dtype):
    model = make_model(case["model"]).to(dtype).train()
    fill(model)
    inputs, target = batch(name, case, dtype, 0)
    loss = loss_of(model(inputs), target)
    loss.backward()
    return loss.item(), {key: value.grad.flatten().to(torch.float64) for key, value in model.named_parameters()}


def first_float32(name, case):
    loss, flats = first_gradients(name, case, torch.float32)
    return {"loss": loss, "gradients": {key: entries_of(flat) for key, flat in flats.items()}}


def choose_salt(name, case):
    """The first batch without a value so near to a kink (of relu, of max pooling) that float32's rounding, which differs between
    processors, decides on which side it falls: float32 and float64 agree there."""
    for salt in range(1000):
        case["salt"] = salt
        (_, low), (_, high) = (first_gradients(name, case, dtype) for dtype in (torch.float32, torch.float64))
        if all((low[key] - high[key]).abs().max() < TOLERANCE * high[key].norm() for key in high):
            print(name, "salt", salt, file=sys.stderr)
            return
    raise SystemExit(f"{name}: no batch that float32 and float64 agree on")


def main():
    torch.set_num_threads(1)
    script = pathlib.Path(__file__).read_bytes()
    report = {
        "script_sha256": hashlib.sha256(script).hexdigest(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "optimizers": OPTIMIZERS,
        "cases": {},
    }
    for name, case in CASES.items():
        choose_salt(name, case)
        chosen = case.get("optimizers", list(OPTIMIZERS))
        report["cases"][name] = {
            "model": case["model"], "salt": case["salt"], "input": case["input"], "target": case["target"],
            "float64_losses": {key: losses(name, case, OPTIMIZERS[key]) for key in chosen},
            "float32": first_float32(name, case),
        }
    report["groups"] = grouped(CASES[GROUPS["case"]])
    report["mixed"] = mixed(CASES)
    json.dump(report, sys.stdout, indent=1)
    print()


main()
