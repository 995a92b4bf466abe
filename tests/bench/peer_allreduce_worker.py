# SPDX-License-Identifier: Apache-2.0
"""One process of PyTorch, for allreduce.py, under torchrun: all-reduces over gloo, and the milliseconds of each as JSON.

    peer_allreduce_worker.py KIB,KIB ROUNDS
"""
import json
import os
import sys
import time

import torch
import torch.distributed as dist


def main():
    sizes, rounds = map(int, sys.argv[1].split(",")), int(sys.argv[2])
    rank = int(os.environ["LOCAL_RANK"])
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[rank % len(cores)]})
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    for kib in sizes:
        values, ms = torch.empty(kib * 256), []
        for _ in range(rounds + 2):
            values.fill_(rank + 1)
            dist.barrier()
            start = time.monotonic_ns()
            dist.all_reduce(values)
            # From the first rank's beginning to the last one's end: all have the same clock.
            times = torch.tensor([-start, time.monotonic_ns()])
            dist.all_reduce(times, op=dist.ReduceOp.MAX)
            ms.append(times.sum().item() / 1e6)
        ranks = dist.get_world_size()
        assert bool((values == ranks * (ranks + 1) / 2).all())
        if rank == 0:
            print(json.dumps({"name": "gloo", "kib": kib, "ms": ms[2:]}), flush=True)
    dist.destroy_process_group()


main()
