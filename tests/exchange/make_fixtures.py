# SPDX-License-Identifier: Apache-2.0
"""Writes the files in exchange/ that interchange_fixtures_test.cpp reads, with PyTorch 2.11 and safetensors.

    python3 make_fixtures.py

Byte k of the i-th tensor of a file, row-major, is (37 k + 11 i) mod 251; of a bool tensor the last bit of that. So the test needs no
table of values.
"""
import json
import pathlib
from collections import Counter, OrderedDict

import safetensors.torch
import torch
from torch import nn

OUT = pathlib.Path(__file__).parent / "exchange"
DTYPES = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32,
          torch.float64, torch.float8_e4m3fn, torch.float8_e5m2]


def pattern(index, dtype, shape):
    count = torch.Size(shape).numel()
    width = torch.empty(0, dtype=dtype).element_size()
    raw = torch.tensor([(37 * k + 11 * index) % 251 for k in range(count * width)], dtype=torch.uint8)
    if dtype == torch.bool:
        return (raw % 2).bool().reshape(shape)
    return raw.view(dtype).reshape(shape) if count else torch.empty(shape, dtype=dtype)


def tensors(with_float8=True):
    out = OrderedDict()

    def add(name, dtype, shape, change=lambda t: t):
        out[name] = change(pattern(len(out), dtype, shape))

    for dtype in DTYPES:
        if with_float8 or "float8" not in str(dtype):
            add("dtype." + str(dtype).removeprefix("torch."), dtype, [3, 2])
    add("scalar", torch.float32, [])
    add("count", torch.int64, [])
    add("empty", torch.float32, [0, 3])
    add("transposed", torch.float32, [4, 3], lambda t: t.t().contiguous().t())
    add("every_second", torch.int16, [5], lambda t: torch.stack([t, t + 1], 1).flatten()[::2])
    add("channels_last", torch.float32, [2, 3, 2, 2], lambda t: t.contiguous(memory_format=torch.channels_last))
    add("parameter", torch.float32, [2, 2], lambda t: nn.Parameter(t))
    add("inside", torch.float64, [2], lambda t: torch.cat([t, t, t])[2:4])
    add("name with ünïcode / and 100%", torch.uint8, [3])
    out["tied"] = out["transposed"]
    out["row"] = out["parameter"].detach()[1]
    return out


def train(optimizer_class, **options):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = optimizer_class(model.parameters(), lr=0.01, **options)
    for _ in range(3):
        optimizer.zero_grad()
        loss = model(torch.randn(5, 3)).square().mean()
        loss.backward()
        optimizer.step()
    return {"epoch": 4, "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(), "loss": loss.item(),
            "metrics": {"acc": [0.5, 0.25], "best": None, "ok": True}, "seen": Counter("aab"), "shape": torch.Size([2, 3]),
            "device": torch.device("cpu"), "dtype": torch.bfloat16, "raw": b"\x00\xff", "pair": (1, -2), "large": 2**40,
            "negative": -(2**40)}


def main():
    OUT.mkdir(exist_ok=True)
    torch.save(tensors(), OUT / "all.pth")
    torch.save(tensors(with_float8=False), OUT / "all.legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(tensors(), OUT / "all.protocol4.pth", pickle_protocol=4)
    torch.save({"module." + name: tensor for name, tensor in tensors().items()}, OUT / "data_parallel.pth")
    torch.save(train(torch.optim.AdamW), OUT / "adamw.pth")
    torch.save(train(torch.optim.AdamW), OUT / "adamw.legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(train(torch.optim.SGD, momentum=0.9), OUT / "sgd.pth")
    torch.save({"model": {"w": torch.zeros(2, dtype=torch.complex64)}}, OUT / "complex.pth")
    alone = {name: tensor.detach().contiguous().clone() for name, tensor in tensors().items() if name not in ("tied", "row")}
    safetensors.torch.save_file(alone, OUT / "all.safetensors", metadata={"format": "pt"})
    names = list(alone)
    shards = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": names[9:]}
    for file, part in shards.items():
        safetensors.torch.save_file({name: alone[name] for name in part}, OUT / file)
    index = {"metadata": {"total_size": 0}, "weight_map": {name: file for file, part in shards.items() for name in part}}
    (OUT / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


main()
