# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds in corpus/ with the programs that write such files. Not part of launch/test.

    python3 make_seeds.py build/dev/src/lockstep

Needs torch 2.11, safetensors and h5py. corpus/README.md says what each file is; files that a fuzzer found are not made here.
"""
import copy
import datetime
import io
import json
import pathlib
import pickle
import subprocess
import sys
import tempfile
import zipfile
from collections import OrderedDict

import h5py
import numpy as np
import safetensors.torch
import torch

HERE = pathlib.Path(__file__).parent
CORPUS = HERE / "corpus"
GOLDEN = HERE.parent / "checkpoint" / "data"


def put(target, name, content):
    assert len(content) <= 4096, (target, name, len(content))
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def saved(value, **options):
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


def weights():
    base = torch.arange(12, dtype=torch.float32).reshape(4, 3)
    return OrderedDict(a=base, tied=base, transposed=base.t(), half=torch.ones(3, dtype=torch.bfloat16), scalar=torch.tensor(7))


def checkpoint():
    torch.manual_seed(1)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return {"epoch": 3, "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(), "loss": 0.5,
            "raw": b"\xff", "big": 2**40, "list": [1, (2, None), True]}


def pickle_of(file):
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


def torch_seeds():
    legacy = {"_use_new_zipfile_serialization": False}
    put("pth", "zip.pth", saved(weights()))
    put("pth", "zip_checkpoint.pth", saved(checkpoint()))
    put("pth", "legacy.pth", saved(weights(), **legacy))
    put("pth", "legacy_checkpoint.pth", saved(checkpoint(), **legacy))
    put("pth", "date.pth", saved({"when": datetime.date(2020, 1, 1)}))
    put("pth", "refused_cut.pth", saved(weights())[:1000])
    put("pickle", "weights.pkl", pickle_of(saved(weights())))
    put("pickle", "checkpoint.pkl", pickle_of(saved(checkpoint())))
    put("pickle", "protocol4.pkl", pickle_of(saved(checkpoint(), pickle_protocol=4)))
    put("pickle", "date.pkl", pickle.dumps({"when": datetime.date(2020, 1, 1)}, 2))
    put("pickle", "refused_cut.pkl", pickle_of(saved(weights()))[:100])


def safetensors_seeds():
    plain = {name: tensor.detach().contiguous().clone() for name, tensor in weights().items()}
    file = safetensors.torch.save(plain, metadata={"format": "pt"})
    put("safetensors", "weights.safetensors", file)
    put("safetensors", "one.safetensors", safetensors.torch.save({"w": torch.zeros(0, 3)}))
    put("safetensors", "refused_hole.safetensors", file + b"\0\0\0\0")
    index = {"metadata": {"total_size": 1}, "weight_map": {name: "model-1.safetensors" for name in plain}}
    put("safetensors_index", "index", json.dumps(index).encode() + b"\0" + file)
    one = {"weight_map": {"w": "a.safetensors"}}
    put("safetensors_index", "index_of_one", json.dumps(one).encode() + b"\0" + safetensors.torch.save({"w": torch.ones(2)}))
    outside = {"weight_map": {"w": "../a.safetensors"}}
    put("safetensors_index", "refused_outside", json.dumps(outside).encode() + b"\0" + safetensors.torch.save({"w": torch.ones(2)}))


def hdf5(name, fill, target="hdf5", **options):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / name
        with h5py.File(path, "w", **options) as file:
            fill(file)
        put(target, name, path.read_bytes())


def fill(file):
    model = file.create_group("model")
    model["w"] = np.arange(6, dtype="f4").reshape(2, 3)
    model["b%2F"] = np.array([True, False])
    model.attrs["step"] = 7


def fill_heap(file, links, attributes):
    model = file.create_group("model")
    model["w"] = np.int8(1)
    for i in range(links):
        model[str(i)] = model["w"]
    for i in range(attributes):
        model.attrs[str(i)] = np.int8(i)


def refused(file, change):
    change(file.create_group("model"))


def hdf5_seeds(lockstep):
    hdf5("symbol_table.h5", lambda f: f.create_group("model").create_dataset("w", data=np.arange(6, dtype="f4")), libver="earliest")
    hdf5("messages.h5", fill, libver=("v110", "v110"))
    hdf5("latest.h5", fill, libver="latest")
    hdf5("links_in_heap.h5", lambda f: fill_heap(f, 8, 0), libver=("v110", "v110"))
    hdf5("attributes_in_heap.h5", lambda f: fill_heap(f, 0, 9), libver=("v110", "v110"))
    hdf5("refused_soft_link.h5", lambda f: refused(f, lambda m: m.__setitem__("w", h5py.SoftLink("/model/w"))), libver="latest")
    hdf5("refused_external_link.h5", lambda f: refused(f, lambda m: m.__setitem__("w", h5py.ExternalLink("x.h5", "/x"))), libver="latest")
    hdf5("refused_chunks.h5", lambda f: refused(f, lambda m: m.create_dataset("w", data=np.zeros(4), chunks=(2,), compression=9)), libver="latest")
    hdf5("refused_external_data.h5", lambda f: refused(f, lambda m: m.create_dataset("w", (4,), "f4", external=[("x", 0, 16)])), libver="latest")
    with tempfile.TemporaryDirectory() as folder:
        source, out = pathlib.Path(folder) / "w.safetensors", pathlib.Path(folder) / "w.h5"
        source.write_bytes(safetensors.torch.save({"a": torch.ones(3), "b": torch.zeros(2, dtype=torch.bool)}))
        subprocess.run([lockstep, "ckpt", "import", source, "-o", out], check=True, stdout=subprocess.DEVNULL)
        put("hdf5", "lockstep.h5", out.read_bytes())


def low_level(values, set_up):
    """A dataset x with what h5py's datasets do not offer."""
    def fill(file):
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        set_up(creation)
        space = h5py.h5s.create_simple(values.shape)
        data = h5py.h5d.create(file.id, b"x", h5py.h5t.py_create(values.dtype), space, creation)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return fill


def hdf5_data_seeds():
    x = np.arange(60, dtype="f4").reshape(12, 5) % 7
    new = ("v110", "v110")

    def seed(name, libver=new, **options):
        hdf5(name, lambda f: f.create_dataset("x", data=x, **options), "hdf5_data", libver=libver, fs_strategy="none")

    def early(creation):
        creation.set_chunk((4, 5))
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)

    hdf5("contiguous.h5", lambda f: f.create_dataset("x", data=x), "hdf5_data", libver="earliest")
    hdf5("old_tree.h5", lambda f: f.create_dataset("x", data=x[:, 0], chunks=(5,), compression=9, shuffle=True), "hdf5_data",
         libver="earliest", track_order=True)
    hdf5("compact.h5", low_level(x, lambda creation: creation.set_layout(h5py.h5d.COMPACT)), "hdf5_data", libver=new)
    hdf5("implicit.h5", low_level(x, early), "hdf5_data", libver=new)
    seed("single.h5", chunks=(12, 5), compression=9)
    seed("fixed_array.h5", chunks=(5, 3), compression=9, shuffle=True)
    seed("extensible_array.h5", chunks=(5, 5), maxshape=(None, 5), compression=9, fletcher32=True)
    seed("tree_of_chunks.h5", chunks=(5, 3), maxshape=(None, None), shuffle=True)
    seed("newest.h5", "latest", chunks=(5, 3), maxshape=(None, None), compression=9)
    hdf5("lzf.h5", lambda f: f.create_dataset("x", data=(np.arange(240) // 7 * 300).astype("u2"), chunks=(60,), compression="lzf"),
         "hdf5_data", libver=new)
    hdf5("fill.h5", lambda f: f.create_dataset("x", (12, 2), "i8", chunks=(4, 2), fillvalue=9).__setitem__(5, 1), "hdf5_data",
         libver=new)
    seed("refused_filter.h5", chunks=(5, 5), scaleoffset=3)
    hdf5("refused_elsewhere.h5", lambda f: f.create_dataset("x", (12, 5), "f4", external=[("y", 0, 240)]), "hdf5_data", libver=new)


def manifest_seeds():
    """Golden manifests, with fewer settings and tensors, up to where their digest begins."""
    for form in ("format-1", "format-2-consolidated", "format-2-sharded", "format-3-consolidated",
                 "format-3-sharded"):
        manifest = json.loads((GOLDEN / form / "step-00000003" / "manifest.json").read_text())
        del manifest["manifest_digest"]
        manifest["config"] = dict(list(manifest["config"].items())[:3])
        manifest["environment"] = dict(list(manifest["environment"].items())[:3])
        tensors = manifest["tensors"]
        split = [tensor for tensor in tensors if "pieces" in tensor][:1]
        manifest["tensors"] = sorted(tensors[:3] + [t for t in split if t not in tensors[:3]], key=lambda t: (t["group"] + "/" + t["name"]))
        put("manifest", form, (json.dumps(manifest)[:-1] + ", ").encode())
    newer = copy.deepcopy(manifest)
    newer["format"] = 99
    put("manifest", "refused_newer", (json.dumps(newer)[:-1] + ", ").encode())


def config_seeds():
    for path in sorted((HERE.parent.parent / "configs").glob("*.yaml")):
        if path.stat().st_size <= 4096:
            put("config", path.name, path.read_bytes())
    put("config", "refused_alias.yaml", b"# SPDX-License-Identifier: Apache-2.0\nversion: 1\nrun: &a {name: x}\nmodel: *a\n")


def data_seeds():
    """Laid out by hand: idx and CIFAR-10 as their pages describe them, tokens as llm.c's scripts write them."""
    put("idx", "images", bytes.fromhex("00000803") + b"".join(n.to_bytes(4, "big") for n in (3, 4, 5)) + bytes(range(60)))
    put("idx", "one_pixel", bytes.fromhex("00000803") + b"".join(n.to_bytes(4, "big") for n in (1, 1, 1)) + b"x")
    put("idx", "refused_labels", bytes.fromhex("00000801") + (3).to_bytes(4, "big") + bytes(3))
    record = bytes([7]) + bytes(i % 256 for i in range(3072))
    put("cifar10", "record", record)
    put("cifar10", "zeros", bytes(3073))
    put("cifar10", "refused_label", bytes([10]) + record[1:])
    tokens = np.arange(60, dtype="<u2").tobytes()
    header = np.zeros(256, dtype="<i4")
    header[:3] = 20240520, 1, 60
    put("tokens", "raw_tokens", tokens)
    put("tokens", "with_header", header.tobytes() + tokens)
    put("tokens", "refused_short", header.tobytes() + tokens[:-2])
    header[:3] = 20240801, 7, 60
    put("tokens", "with_header_32", header.tobytes() + np.arange(60, dtype="<u4").tobytes())
    for name, array in (("numpy", np.arange(60, dtype="<u2")), ("refused_numpy_shape", np.zeros((6, 10), dtype="<i8"))):
        file = io.BytesIO()
        np.save(file, array)
        put("tokens", name, file.getvalue())


def npz_seeds():
    folder = HERE.parent / "data" / "npz"
    put("npz", "stored.npz", (folder / "plain.npz").read_bytes())
    for name in ("compressed.npz", "types.npz", "refused_objects.npz"):
        put("npz", name, (folder / name).read_bytes())


def main():
    data_seeds()
    npz_seeds()
    torch_seeds()
    safetensors_seeds()
    hdf5_seeds(sys.argv[1])
    hdf5_data_seeds()
    manifest_seeds()
    config_seeds()


main()
