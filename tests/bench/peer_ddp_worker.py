# SPDX-License-Identifier: Apache-2.0
"""One process of PyTorch, for ddp.py: trains MODEL and prints the milliseconds of each step as JSON.

    peer_ddp_worker.py MODEL OPTIMIZER PRECISION STEPS [CORE]

MODEL: mlp, mlp_small, gpt or resnet18; OPTIMIZER: fused or default, AdamW's, or
fused_clipped, with the gradient's norm clipped to 1; PRECISION: full, or bf16 by autocast. Under torchrun
(WORLD_SIZE > 1) DistributedDataParallel over gloo with its buckets as gradients; OPTIMIZER plain: with the defaults of both. The models are those
of Lockstep's configs: same layers, same shapes, made-up inputs.
"""
import json
import os
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.ln_1, self.ln_2 = heads, nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (t.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
                   for t in self.qkv(self.ln_1(x)).split(width, 2))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(attended.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    """Output projection and embedding are one, as in Lockstep's."""

    def __init__(self, vocab=256, context=256, layers=6, width=384, heads=6):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe.weight
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.down = None
        if stride != 1 or inputs != outputs:
            self.down = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + (x if self.down is None else self.down(x)))


def resnet18(classes=10):
    """torchvision's, with its stem for ImageNet."""
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


def make(name):
    torch.manual_seed(0)
    if name.startswith("mlp"):
        widths = [1024, 2560, 2560, 2560, 2560, 1024] if name == "mlp" else [1024, 8, 1024]
        layers = []
        for i, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
            layers += [nn.Linear(inputs, outputs)] + ([nn.ReLU()] if i + 2 < len(widths) else [])
        return nn.Sequential(*layers), torch.randn(4, 1024), torch.randn(4, 1024), F.mse_loss
    if name == "gpt":
        text = torch.randint(0, 256, (4, 257))
        loss = lambda out, y: F.cross_entropy(out.view(-1, 256), y.view(-1))
        return Gpt(), text[:, :-1].contiguous(), text[:, 1:].contiguous(), loss
    return resnet18(), torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,)), F.cross_entropy


def main():
    name, optimizer, precision, steps = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {int(sys.argv[5]) if len(sys.argv) > 5 else cores[rank % len(cores)]})
    torch.set_num_threads(1)
    model, x, y, loss = make(name)
    is_parallel = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if is_parallel:
        torch.distributed.init_process_group("gloo")
        model = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=optimizer != "plain")
    optim = torch.optim.AdamW(model.parameters(), lr=1e-4, **({"fused": True} if optimizer.startswith("fused") else {}))
    times = []
    for _ in range(steps + 4):
        start = time.perf_counter()
        optim.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            value = loss(model(x), y)
        value.backward()
        if optimizer == "fused_clipped":
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optim.step()
        times.append(1e3 * (time.perf_counter() - start))
    if rank == 0:
        print(json.dumps(times[4:]), flush=True)
    if is_parallel:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
