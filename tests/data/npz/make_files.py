# SPDX-License-Identifier: Apache-2.0
"""Writes the files of this folder as users do, with NumPy. Not part of launch/test.

    python3 make_files.py
"""
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
X = np.arange(12, dtype=np.float32).reshape(4, 3)
MASK = X % 2 == 1
Y = np.array([3, 1, 2, 0])

np.savez(HERE / "plain.npz", x=X, mask=MASK, y=Y)
np.savez_compressed(HERE / "compressed.npz", x=X, mask=MASK, y=Y)
np.savez(HERE / "second.npz", x=X + 100, mask=~MASK, y=Y)
np.savez(HERE / "types.npz", **{
    "fortran": np.asfortranarray(np.arange(24, dtype=np.float64).reshape(2, 3, 4)),
    "big": np.array([[1, -2], [3, 2**30]], ">i4"),
    "half": np.array([1.5, -65504], np.float16),
    "tiny": np.array([2**-24, np.inf], ">f2"),
    "bytes": np.array([[0, 255], [7, 8]], np.uint8),
    "short": np.array([-3, 300], np.int16),
    "wide": np.array([1, 2**63 - 1], np.uint64),
    "group/inner": np.array([5, 6], np.int32),
    "größe": np.array([0.5, 0.25], ">f8"),
    "label": np.array([[1], [0]], np.int8),
})
np.savez(HERE / "ragged.npz", tokens=np.array([1, 2, 3, 4, 5, 6], np.int32), lengths=np.array([2, 0, 3, 1]), y=Y)
np.savez(HERE / "refused_objects.npz", x=np.array([[1], [2, 3]], dtype=object), y=np.array([0, 1]))
np.savez(HERE / "refused_scalar.npz", x=X, y=Y, rate=np.array(0.5))
np.savez(HERE / "refused_unequal.npz", x=X, mask=MASK[:3], y=Y)
np.savez(HERE / "refused_text.npz", x=np.array(["ab", "cd"]), y=np.array([0, 1]))
np.savez(HERE / "refused_complex.npz", x=np.array([1j, 2]), y=np.array([0, 1]))
np.savez(HERE / "refused_struct.npz", x=np.zeros(2, [("a", "<f4"), ("b", "<i8")]), y=np.array([0, 1]))
np.savez(HERE / "refused_uint64.npz", x=np.array([1, 2**63], np.uint64), y=np.array([0, 1]))
np.savez(HERE / "refused_empty.npz", x=np.zeros((0, 3)), y=np.zeros(0))
np.savez(HERE / "refused_target.npz", a=X, b=Y)
with open(HERE / "refused_one_array.npz", "wb") as file:
    np.save(file, X)
(HERE / "refused_cut.npz").write_bytes((HERE / "plain.npz").read_bytes()[:300])
