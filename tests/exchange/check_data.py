# SPDX-License-Identifier: Apache-2.0
"""Data written by Python, read by Lockstep: HDF5 of every dtype, NumPy shards, labels that do not count. Not part of launch/test.

    python3 check_data.py build/dev/src/lockstep

Needs torch and h5py. What Lockstep makes of the inputs is seen in the outputs of a linear model, what it makes of labels in the loss; both are
computed again with PyTorch from the trained weights.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
from torch.nn import functional as F

LOCKSTEP = str(pathlib.Path(sys.argv[1]).resolve())
SAMPLES, WIDTH, CLASSES = 48, 12, 4
RANDOM = np.random.default_rng(0)


def run(*words, code=0):
    done = subprocess.run([LOCKSTEP, *words], capture_output=True, text=True)
    assert done.returncode == code, f"{words}: {done.returncode}, expected {code}\n{done.stderr}"
    return done


def config(data, extra=""):
    pathlib.Path("c.yaml").write_text(f"""
run: {{name: x, dir: run, seed: 1}}
model: {{type: mlp, inputs: {WIDTH}, hidden: [], outputs: {CLASSES}}}
data: {data}
train: {{steps: 3, global_batch: 16, micro_batch: 4{extra}}}
""")
    subprocess.run(["rm", "-rf", "run"], check=True)


def weights():
    with h5py.File("run/weights.h5") as file:
        return torch.tensor(file["model/layers.0.weight"][:]), torch.tensor(file["model/layers.0.bias"][:])


def inputs_are_read_as(stored, expected, normalize=""):
    with h5py.File("d.h5", "w") as file:
        file["x"] = stored
        file["y"] = RANDOM.normal(size=(SAMPLES, CLASSES)).astype("f4")
    config("{type: hdf5, train: {path: d.h5, inputs: /x, labels: /y}" + normalize + "}")
    run("train", "-c", "c.yaml")
    weight, bias = weights()
    lines = run("predict", "-c", "c.yaml", "--weights", "run/weights.h5", "--input", "d.h5", "--json").stdout.splitlines()
    got = torch.tensor([json.loads(line)["values"] for line in lines])
    want = torch.as_tensor(expected, dtype=torch.float32).reshape(SAMPLES, -1) @ weight.T + bias
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4 * float(want.abs().max()))


def check_dtypes():
    pixels = RANDOM.integers(0, 256, (SAMPLES, 3, 2, 2), dtype=np.uint8)
    scaled = torch.tensor(pixels).float() / 255
    inputs_are_read_as(pixels, scaled)
    mean, std = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1), torch.tensor([0.2, 0.25, 0.3]).view(3, 1, 1)
    inputs_are_read_as(pixels, (scaled - mean) / std, ", normalize: {mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3]}")
    for dtype in ("i1", "<i2", "<u2", ">u2", "<i4", "<u4", "<i8", ">i8", "<u8"):
        values = RANDOM.integers(0, 100, (SAMPLES, WIDTH)).astype(dtype)
        inputs_are_read_as(values, values.astype("f4"))
    for dtype in ("<f2", "<f4", ">f4", "<f8", ">f8"):
        values = RANDOM.normal(size=(SAMPLES, WIDTH)).astype(dtype)
        inputs_are_read_as(values, values.astype("f4"))
    truths = RANDOM.integers(0, 2, (SAMPLES, WIDTH)).astype(bool)
    inputs_are_read_as(truths, truths.astype("f4"))


def check_labels():
    labels = RANDOM.integers(0, CLASSES, SAMPLES)
    inputs = RANDOM.normal(size=(SAMPLES, WIDTH)).astype("f4")
    data = "{type: hdf5, train: {path: d.h5, inputs: /x, labels: /y}, valid: {path: d.h5, inputs: /x, labels: /y}"
    for dtype in ("u1", "i1", "<i2", ">i4", "<i8", "<u8"):
        with h5py.File("d.h5", "w") as file:
            file["x"], file["y"] = inputs, labels.astype(dtype).reshape(-1, 1)
        config(data + "}")
        run("train", "-c", "c.yaml")
    labels[RANDOM.permutation(SAMPLES)[:20]] = -100
    with h5py.File("d.h5", "w") as file:
        file["x"], file["y"] = inputs, labels
    config(data + "}")
    assert "label -100" in run("train", "-c", "c.yaml", code=78).stderr
    config(data + ", ignore_label: -100}")
    run("train", "-c", "c.yaml")
    weight, bias = weights()
    outputs, targets = torch.tensor(inputs) @ weight.T + bias, torch.tensor(labels)
    means = json.loads(run("eval", "-c", "c.yaml", "--weights", "run/weights.h5", "--json").stdout)
    kept = targets != -100
    assert abs(means["loss"] - F.cross_entropy(outputs, targets, ignore_index=-100).item()) < 1e-5
    assert means["accuracy"] == (outputs.argmax(1) == targets)[kept].double().mean().item()


def check_ignored_gradient():
    """Three steps of plain SGD over global batches, against PyTorch's ignore_index on the whole of each."""
    labels = RANDOM.integers(0, CLASSES, SAMPLES)
    labels[RANDOM.permutation(SAMPLES)[:30]] = 2
    inputs = RANDOM.normal(size=(SAMPLES, WIDTH))
    with h5py.File("d.h5", "w") as file:
        file["x"], file["y"] = inputs, labels
    config("{type: hdf5, shuffle: false, train: {path: d.h5, inputs: /x, labels: /y}, ignore_label: 2}", ", dtype: float64")
    options = ("optim.type=sgd", "optim.momentum=0", "optim.weight_decay=0", "optim.lr=0.5", "checkpoint.every_steps=1",
               "checkpoint.keep_last=9")
    run("train", "-c", "c.yaml", *options)

    def state(step):
        with h5py.File(f"run/ckpt/step-{step:08}/checkpoint.h5") as file:
            return [torch.tensor(file[f"model/layers.0.{name}"][:]) for name in ("weight", "bias")]

    for step in (2, 3):
        weight, bias = (tensor.clone().requires_grad_() for tensor in state(step - 1))
        rows = slice((step - 1) * 16, step * 16)
        F.cross_entropy(torch.tensor(inputs[rows]) @ weight.T + bias, torch.tensor(labels[rows]), ignore_index=2).backward()
        for tensor, after in zip((weight, bias), state(step)):
            torch.testing.assert_close(after, (tensor - 0.5 * tensor.grad).detach(), rtol=1e-12, atol=1e-12)


def check_tokens():
    values = RANDOM.integers(0, 100, 1000)
    text = """
run: {{name: t, dir: run, seed: 1}}
model: {{type: gpt, layers: 1, heads: 1, width: 8, context: 8, vocab: 100}}
data: {{type: tokens, train: {{path: {path}}}}}
train: {{steps: 1, global_batch: 8, micro_batch: 4}}
"""
    for dtype in ("u1", "i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8"):
        np.save("t.npy", values.astype(dtype))
        pathlib.Path("c.yaml").write_text(text.format(path="t.npy"))
        said = run("train", "-c", "c.yaml", "--dry-run").stdout
        assert "1000 values, 124 samples" in said and "NumPy" in said, said
    for refused in (values.astype(">u2"), values.astype("f4"), values.reshape(10, 100), values.astype(object)):
        np.save("t.npy", refused, allow_pickle=True)
        run("train", "-c", "c.yaml", "--dry-run", code=66)
    torch.save(torch.tensor(values), "t.bin")
    pathlib.Path("c.yaml").write_text(text.format(path="t.bin"))
    run("train", "-c", "c.yaml", "--dry-run", code=66)


def check_unclosed():
    subprocess.run([sys.executable, "-c", "import h5py, numpy as np, os\n"
                    "f = h5py.File('open.h5', 'w', libver='latest'); f['x'] = np.zeros((64, 12), 'f4'); f['y'] = np.zeros(64, 'i8')\n"
                    "f.flush(); os._exit(0)"], check=True)
    config("{type: hdf5, train: {path: open.h5, inputs: /x, labels: /y}}")
    assert "h5clear" in run("train", "-c", "c.yaml", code=66).stderr


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for check in (check_dtypes, check_labels, check_ignored_gradient, check_tokens, check_unclosed):
            check()
            print(f"{check.__name__}: ok")


main()
