# SPDX-License-Identifier: Apache-2.0
"""What comeback.py has torchrun start: DDP over gloo, torch.save by rank 0 every fifth step, the last one loaded at the start.

    peer_comeback_worker.py LOG SAVED      rank 0 adds a line `restart step` to LOG when an optimizer step has ended
"""
import os
import sys

import torch
from torch import nn

log, saved = sys.argv[1:]
rank, life = int(os.environ["RANK"]), os.environ["TORCHELASTIC_RESTART_COUNT"]
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo")
torch.manual_seed(0)
widths = [1024, 2560, 2560, 2560, 2560, 1024]
layers = []
for i in range(5):
    layers += [nn.Linear(widths[i], widths[i + 1])] + ([nn.ReLU()] if i < 4 else [])
model = nn.Sequential(*layers)
x, y = torch.randn(4, 1024), torch.randn(4, 1024)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
first = 0
if os.path.exists(saved):
    state = torch.load(saved)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    first = state["step"]
parallel = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
for step in range(first + 1, 100000):
    optimizer.zero_grad()
    nn.functional.mse_loss(parallel(x), y).backward()
    optimizer.step()
    if rank == 0:
        with open(log, "a") as file:
            file.write(f"{life} {step}\n")
        if step % 5 == 0:
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, saved + ".part")
            os.rename(saved + ".part", saved)
