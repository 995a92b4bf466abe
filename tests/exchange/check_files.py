# SPDX-License-Identifier: Apache-2.0
"""Files as Python leaves them about: names, ties, what stands beside the tensors, Lightning's and nanoGPT's layouts. Not part of launch/test.

    python3 check_files.py build/dev/src/lockstep

Needs torch, numpy, h5py and safetensors. Every number is compared with what PyTorch makes of the same file.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import safetensors.torch
import torch

LOCKSTEP = str(pathlib.Path(sys.argv[1]).resolve())
os.chdir(tempfile.mkdtemp())
torch.manual_seed(0)
done = []

MLP = """version: 1
run: {name: m, dir: run, seed: 7}
model: {type: mlp, inputs: 16, hidden: [8], outputs: 4}
data: {type: synthetic, samples: 96, holdout_every: 3, input_shape: [16], classes: 4}
train: {steps: 40, global_batch: 16, micro_batch: 4}
optim: {type: adamw, lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01}
"""
pathlib.Path("m.yaml").write_text(MLP)


def run(*words):
    return subprocess.run([LOCKSTEP, *words], capture_output=True, text=True)


def expect(name, holds, why=""):
    done.append((name, bool(holds)))
    print("ok  " if holds else "FAIL", name, "" if holds else why)


def evaluated(path, *more):
    result = run("eval", "-c", "m.yaml", "--weights", path, "--json", *more)
    return result.stdout if result.returncode == 0 else f"{result.returncode}: {result.stderr.strip()[-200:]}"


def mlp():
    model = torch.nn.Module()
    model.layers = torch.nn.ModuleList([torch.nn.Linear(16, 8), torch.nn.Linear(8, 4)])
    return model


def trained(optimizer_of, steps=1):
    model = mlp()
    optimizer = optimizer_of(model)
    for _ in range(steps):
        optimizer.zero_grad()
        model.layers[1](torch.relu(model.layers[0](torch.randn(4, 16)))).sum().backward()
        optimizer.step()
    return model, optimizer


class Settings:
    def __init__(self):
        self.path = pathlib.Path("/data")


def values_of_a_storage():
    phase = torch.tensor([1 + 2j, 3 - 4j]).conj().imag
    for name, tensor in (("negated", phase), ("negated and sliced", phase[1:]), ("conjugate", torch.tensor([1 + 2j]).conj())):
        torch.save({"w": tensor}, "n.pth")
        result = run("ckpt", "import", "n.pth", "-o", "n.h5")
        right = result.returncode == 65 or (result.returncode == 0 and h5py.File("n.h5")["model/w"][()].tolist() == tensor.tolist())
        expect(f"a {name} tensor is applied or refused", right, result.stderr)
        pathlib.Path("n.h5").unlink(missing_ok=True)
    torch.save({"w": phase.resolve_neg()}, "n.pth")
    expect("a resolved one is taken", run("ckpt", "import", "n.pth", "-o", "n.h5").returncode == 0)


def beside_the_tensors():
    state = mlp().state_dict()
    torch.save(state, "plain.pth")
    want = evaluated("plain.pth")
    generator = np.random.default_rng(1)
    beside = {
        "huge": 1 << 2000, "negative": -(1 << 70), "args": argparse.Namespace(lr=1e-3), "settings": Settings(), "python": random.getstate(),
        "numpy": np.random.get_state(), "pcg": generator.bit_generator.state, "torch": torch.get_rng_state(), "scalar": np.float64(0.5),
        "integer": np.int64(3), "array": np.arange(6).reshape(2, 3), "objects": np.array([None, "x"], dtype=object), "set": {1, "a"},
        "frozen": frozenset({2}), "bytes": b"\x00\xff", "path": pathlib.Path("/x"), "queue": collections.deque([1, 2]), "text": "\udcff",
        "complex": torch.zeros(2, dtype=torch.complex64), "sparse": torch.eye(3).to_sparse(), "csr": torch.eye(3).to_sparse_csr(),
        "quantised": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "meta": torch.empty(3, device="meta"),
        "default": collections.defaultdict(list, {"a": [1]}), "class": Settings, "ellipsis": ..., "range": range(3), "slice": slice(1, 2),
        "nested": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "generator": generator, "function": len,
    }
    for protocol in (2, 4, 5):
        for name, value in beside.items():
            torch.save({"state_dict": state, name: value}, "b.pth", pickle_protocol=protocol)
            expect(f"protocol {protocol}: {name} beside the model", evaluated("b.pth") == want, evaluated("b.pth"))
            expect(f"protocol {protocol}: {name} is shown", run("ckpt", "show", "b.pth").returncode == 0, run("ckpt", "show", "b.pth").stderr)
    torch.save({"state_dict": state, "all": beside}, "b.pth", _use_new_zipfile_serialization=False)
    for name in ("sparse", "quantised", "complex"):
        torch.save({**state, "layers.0.weight": beside[name]}, "w.pth")
        result = run("eval", "-c", "m.yaml", "--weights", "w.pth")
        expect(f"a {name} tensor that is wanted is refused by name", result.returncode in (65, 78) and "layers.0.weight" in result.stderr, result.stderr)
    torch.save(mlp(), "module.pth")
    expect("a pickled module is refused", run("eval", "-c", "m.yaml", "--weights", "module.pth").returncode == 65)


def names():
    state = mlp().state_dict()
    torch.save(state, "plain.pth")
    want = evaluated("plain.pth")
    for prefix in ("module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "model._orig_mod.module.", "module.module."):
        torch.save({prefix + key: value for key, value in state.items()}, "p.pth")
        expect(f"prefix {prefix}", evaluated("p.pth") == want, evaluated("p.pth"))
        safetensors.torch.save_file({prefix + key: value for key, value in state.items()}, "p.safetensors")
        expect(f"prefix {prefix} in safetensors", evaluated("p.safetensors") == want)
    torch.save({"net.encoder." + key: value for key, value in state.items()}, "p.pth")
    expect("a prefix of one's own is refused", evaluated("p.pth").startswith("78"))
    expect("… and taken with --strip", evaluated("p.pth", "--strip", "net.encoder.") == want)
    expect("… and with --rename", evaluated("p.pth", "--rename", "net.encoder.layers=layers") == want)
    torch.save({key.replace("layers.0", "layers.0._orig_mod"): value for key, value in state.items()}, "p.pth")
    expect("a layer that was compiled alone", evaluated("p.pth") == want, evaluated("p.pth"))
    torch.save({key: (value.unsqueeze(0) if value.dim() == 1 else value) for key, value in state.items()}, "p.pth")
    expect("(1, n) is not (n)", evaluated("p.pth").startswith("78"))
    torch.save({key: (value.t().contiguous() if value.dim() == 2 else value) for key, value in state.items()}, "p.pth")
    expect("transposed matrices", evaluated("p.pth").startswith("78"))
    torch.save({key: (value * 100).to(torch.int8) for key, value in state.items()}, "p.pth")
    expect("integers are no weights", evaluated("p.pth").startswith("78"))
    torch.save({key: value.double() for key, value in state.items()}, "p.pth")
    expect("float64 becomes float32", evaluated("p.pth") == want)
    torch.save({**state, "extra": torch.randn(8, 16)}, "p.pth")
    expect("what is left over is refused", evaluated("p.pth").startswith("78"))
    expect("… or skipped by name", evaluated("p.pth", "model.weights_skip=[extra]") == want)


def positions():
    model, optimizer = trained(lambda m: torch.optim.AdamW(m.parameters(), 1e-3), steps=5)
    body = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    lightning = {"state_dict": {"model." + key: value for key, value in model.state_dict().items()},
                 "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [], "pytorch-lightning_version": "2.4.0"}
    cases = [({**body, "epoch": 0}, (), 4), ({**body, "epoch": 1.0}, (), 8), ({**body, "epoch": torch.tensor(2)}, (), 12),
             ({**body, "step": torch.tensor([7])}, (), 7), ({**body, "iter_num": 5}, (), 5), ({**body, "global_step": 5.0}, (), 5),
             ({**body, "it": 6}, ("--step-key", "it"), 6), ({**body, "done": 1}, ("--epoch-key", "done"), 8),
             ({**body, "epoch": 1.5}, (), 65), ({**body, "it": 6}, (), 65), ({**body, "step": "7"}, (), 65),
             ({**lightning, "epoch": 9, "global_step": 5}, (), 5), ({**lightning, "epoch": 1}, (), 65),
             ({**lightning, "epoch": 1}, ("--epoch-key", "epoch"), 8)]
    for i, (content, words, want) in enumerate(cases):
        torch.save(content, "c.pth")
        result = run("ckpt", "import", "c.pth", "-c", "m.yaml", "-o", f"position-{i}", "--json", *words)
        got = json.loads(result.stdout)["step"] if result.returncode == 0 else result.returncode
        expect(f"position {i}", got == want, f"{got} instead of {want}: {result.stderr}")


def options():
    named = lambda m: list(m.named_parameters())
    optimizers = {
        "betas": (lambda m: torch.optim.AdamW(m.parameters(), 1e-3, betas=(0.5, 0.6)), "betas: [0.5, 0.6]"),
        "eps": (lambda m: torch.optim.AdamW(m.parameters(), 1e-3, eps=1e-3), "eps: 0.001"),
        "groups": (lambda m: torch.optim.AdamW([{"params": named(m)[:2], "weight_decay": 0.1}, {"params": named(m)[2:]}], 1e-3),
                   "weight decay of group 0: 0.1"),
        "equal": (lambda m: torch.optim.AdamW(m.parameters(), 1e-3), None),
    }
    for name, (make, said) in optimizers.items():
        model, optimizer = trained(make)
        torch.save({"epoch": 0, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, "c.pth")
        result = run("ckpt", "import", "c.pth", "-c", "m.yaml", "-o", "options-" + name)
        right = result.returncode == 0 and (said in result.stdout if said else "which counts" not in result.stdout)
        expect(f"options: {name}", right, result.stdout + result.stderr)
    for option in ("amsgrad", "maximize"):
        model, optimizer = trained(lambda m: torch.optim.AdamW(m.parameters(), 1e-3, **{option: True}))
        torch.save({"epoch": 0, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, "c.pth")
        expect(f"{option} is refused", run("ckpt", "import", "c.pth", "-c", "m.yaml", "-o", "o-" + option).returncode == 78)


def state_goes_to_its_parameter():
    model, optimizer = trained(lambda m: torch.optim.AdamW(
        [{"params": [p for p in m.parameters() if p.dim() >= 2], "weight_decay": 0.01},
         {"params": [p for p in m.parameters() if p.dim() < 2], "weight_decay": 0.0}], 1e-3), steps=3)
    body = {"iter_num": 3, "model": {"_orig_mod." + k: v for k, v in model.state_dict().items()}, "optimizer": optimizer.state_dict()}
    torch.save({**body, "model_args": {"n_layer": 2}}, "nano.pth")
    result = run("ckpt", "import", "nano.pth", "-c", "m.yaml", "-o", "nano")
    expect("nanoGPT's file", result.returncode == 0, result.stderr)
    if result.returncode == 0:
        stored = h5py.File("nano/checkpoint.h5")["optimizer/exp_avg"]
        for name, parameter in model.named_parameters():
            expect(f"nanoGPT: exp_avg of {name}", np.array_equal(stored[name][()], optimizer.state[parameter]["exp_avg"].numpy()))
    torch.save(body, "groups.pth")
    expect("groups that nobody knows are refused", run("ckpt", "import", "groups.pth", "-c", "m.yaml", "-o", "groups").returncode == 78)


for part in (values_of_a_storage, beside_the_tensors, names, positions, options, state_goes_to_its_parameter):
    part()
failed = [name for name, holds in done if not holds]
print(f"{len(done)} checks, {len(failed)} failed")
sys.exit(bool(failed))
