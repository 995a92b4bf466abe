# SPDX-License-Identifier: Apache-2.0
"""Trains the same mlp on the same idx files with Lockstep and with PyTorch and prints both accuracies.

    python3 digits_against_pytorch.py path/to/lockstep

Needs torch, numpy and scikit-learn, whose package carries 1797 real handwritten digits of 8 x 8 pixels. Ends with 1 when the
accuracies on the held-out quarter, the mean over five seeds, differ by more than one per cent.
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np
import torch
from sklearn.datasets import load_digits

STEPS, BATCH, LR = 400, 64, 1e-3
SEEDS = range(5)


def write_idx(path, array):
    with open(path, "wb") as file:
        file.write(struct.pack(">BBBB", 0, 0, 8, array.ndim))
        file.write(struct.pack(f">{array.ndim}I", *array.shape))
        file.write(np.ascontiguousarray(array, dtype=np.uint8).tobytes())


def train_lockstep(binary, folder, seed):
    config = folder / "digits.yaml"
    config.write_text(f"""
version: 1
run: {{name: digits, seed: {seed}, dir: {folder}/run-{seed}}}
model: {{type: mlp, inputs: 64, hidden: [256, 128], outputs: 10, dropout: 0.1}}
data:
  type: idx
  train: {{inputs: train-x, labels: train-y}}
  valid: {{inputs: valid-x, labels: valid-y}}
train: {{steps: {STEPS}, global_batch: {BATCH}, micro_batch: 16}}
optim: {{type: adamw, lr: {LR}, weight_decay: 0.01}}
""")
    subprocess.run([binary, "train", "-c", config], check=True, capture_output=True)
    lines = (folder / f"run-{seed}" / "metrics.jsonl").read_text().splitlines()
    return json.loads(lines[-1])["valid_accuracy"]


def train_pytorch(train, valid, seed):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Dropout(0.1),
        torch.nn.Linear(256, 128), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(128, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=0.01)
    inputs, labels = train
    order = []
    for _ in range(STEPS):
        if len(order) < BATCH:
            order = torch.randperm(len(inputs)).tolist()
        batch, order = order[:BATCH], order[BATCH:]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs[batch]), labels[batch]).backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        return (model(valid[0]).argmax(1) == valid[1]).double().mean().item()


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    torch.set_num_threads(1)
    digits = load_digits()
    images = (digits.images * 15.9375).astype(np.uint8)
    held_out = np.arange(len(images)) % 4 == 3
    parts = {"train": ~held_out, "valid": held_out}
    tensors = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part, rows in parts.items():
            write_idx(folder / f"{part}-x", images[rows])
            write_idx(folder / f"{part}-y", digits.target[rows])
            tensors[part] = (torch.tensor(images[rows], dtype=torch.float32) / 255, torch.tensor(digits.target[rows]))
        ours = [train_lockstep(binary, folder, seed) for seed in SEEDS]
    theirs = [train_pytorch(tensors["train"], tensors["valid"], seed) for seed in SEEDS]
    mean = lambda values: sum(values) / len(values)
    print(f"accuracy, mean of {len(ours)} seeds: lockstep {mean(ours):.4f} {ours}")
    print(f"                          pytorch  {mean(theirs):.4f} {theirs}")
    sys.exit(abs(mean(ours) - mean(theirs)) > 0.01)


if __name__ == "__main__":
    main()
