# SPDX-License-Identifier: Apache-2.0
"""Writes the files of this folder as users do, with NumPy and h5py. Not part of launch/test.

    python3 make_files.py
"""
import pathlib

import h5py
import numpy as np

HERE = pathlib.Path(__file__).parent
N = 60
rng = np.random.default_rng(11)
y = rng.integers(0, 3, N)
arrays = {
    "image": (rng.integers(0, 200, (N, 2, 6, 6)) + 20 * y[:, None, None, None]).astype(np.uint8),
    "table": (rng.standard_normal((N, 5)) + y[:, None]).astype(np.float32),
    "mask": rng.random((N, 5)) < 0.7,
    "y": y.astype(np.int64),
}
np.savez_compressed(HERE / "two_inputs.npz", **arrays)
with h5py.File(HERE / "two_inputs.h5", "w") as file:
    for name, array in arrays.items():
        # As PyTorch's users store masks and labels.
        file.create_dataset(f"train/{name}", data=array, compression="gzip" if name == "image" else None)

lengths = rng.integers(1, 9, N)
labels = rng.integers(0, 3, N)
tokens = np.concatenate([rng.integers(0, 10, n) + 10 * label for n, label in zip(lengths, labels)])
tags = tokens // 10
np.savez(HERE / "sentences.npz", tokens=tokens.astype(np.int32), tags=tags.astype(np.int16), words=lengths, label=labels)
