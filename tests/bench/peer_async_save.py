# SPDX-License-Identifier: Apache-2.0
"""The peer of tests/bench/save_stall: torch.distributed.checkpoint's async_save in a loop of the same model. Prints JSON: for each
setting a row a save, the ms of the eight steps from it on."""
import copy
import json
import os
import shutil
import sys
import time
import warnings

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.staging import BlockingAsyncStager
from torch.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType

NEAR = 4  # as in save_stall


def main():
    folder, saves, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    warnings.filterwarnings("ignore")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=os.environ.get("MASTER_PORT", "29617"))
    torch.set_num_threads(2)
    dist.init_process_group("gloo", rank=0, world_size=1)
    model = torch.nn.Sequential(*[layer for _ in range(8) for layer in (torch.nn.Linear(2048, 2048), torch.nn.ReLU())][:-1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    inputs, targets = torch.randn(batch, 2048), torch.randint(2048, (batch,))

    def step():
        start = time.perf_counter()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        return (time.perf_counter() - start) * 1e3

    def state():
        return {"model": model.state_dict(), "optim": optimizer.state_dict()}

    step()
    # The fairest setting of 2.11 on a CPU: memory that is kept and warm. (A DefaultStager cannot be used twice there.)
    kept = BlockingAsyncStager(cache_staged_state_dict=True)
    kept.state_dict_cache = copy.deepcopy(state())
    settings = {"thread, kept warm memory": kept, "thread": None}
    result = {}
    for save in range(-1, saves):
        for name, stager in list(settings.items())[:: -1 if save % 2 else 1]:
            path = folder + "/dcp"
            shutil.rmtree(path, ignore_errors=True)
            start = time.perf_counter()
            future = dcp.async_save(state(), checkpoint_id=path, async_checkpointer_type=AsyncCheckpointerType.THREAD, async_stager=stager)
            blocked = (time.perf_counter() - start) * 1e3
            future = getattr(future, "upload_completion", future)
            steps = [step() for _ in range(NEAR)]
            steps[0] += blocked
            future.result()
            steps += [step() for _ in range(NEAR)]
            if save >= 0:
                result.setdefault(name, []).append(steps)
    dist.destroy_process_group()
    print(json.dumps(result))


main()
