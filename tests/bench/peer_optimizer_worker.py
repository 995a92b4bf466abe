# SPDX-License-Identifier: Apache-2.0
"""One process of PyTorch, for optimizer.py: AdamW(fused=True) over 150 tensors, and the milliseconds of each step as JSON.

    peer_optimizer_worker.py ELEMENTS THREADS ROUNDS
"""
import json
import os
import sys
import time

import torch

TENSORS = 150


def main():
    elements, threads, rounds = map(int, sys.argv[1:])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    torch.set_num_threads(threads)
    parameters = [torch.nn.Parameter(part.clone()) for part in torch.randn(elements).split(-(-elements // TENSORS))]
    for parameter in parameters:
        parameter.grad = 0.01 * torch.randn_like(parameter)
    optimizer = torch.optim.AdamW(parameters, fused=True)
    ms = []
    for _ in range(rounds + 2):
        start = time.perf_counter()
        optimizer.step()
        ms.append(1e3 * (time.perf_counter() - start))
    print(json.dumps({"name": "PyTorch fused=True", "threads": threads, "ms": ms[2:]}))


main()
