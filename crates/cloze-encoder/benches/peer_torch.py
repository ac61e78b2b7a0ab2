"""The training step and the inference of examples/step in PyTorch, written as one would for speed there.

usage: python peer_torch.py SHAPE THREADS STEPS     (pip install torch; SHAPE is s64, s128 or s256)

Prints a JSON object a line, for eager and compiled code, float32 and bfloat16 autocast. Attention is
scaled_dot_product_attention, the vocabulary product is computed at the rows that are asked for only, and the optimizer
is fused.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

SHAPES = {"s64": (64, 2), "s128": (128, 2), "s256": (256, 4)}
SEQUENCES, LENGTH, ITEMS, MASKED, LAYERS = 256, 200, 3420, 30, 2

shape, threads, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
width, heads = SHAPES[shape]
torch.set_num_threads(threads)
torch.manual_seed(0)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.first, self.second = nn.LayerNorm(width, eps=1e-12), nn.LayerNorm(width, eps=1e-12)

    def forward(self, x, mask):
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = self.first(x + self.out(mixed.transpose(1, 2).reshape(batch, length, width)))
        return self.second(x + self.narrow(F.gelu(self.wide(x), approximate="tanh")))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.items, self.positions = nn.Embedding(ITEMS + 2, width), nn.Embedding(LENGTH, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.bias = nn.Parameter(torch.zeros(ITEMS + 2))
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens, mask, rows):
        x = self.norm(self.items(tokens) + self.positions.weight)
        for layer in self.layers:
            x = layer(x, mask)
        return x.reshape(-1, width)[rows] @ self.items.weight.T + self.bias


# A quarter of the sequences is half as long: padded here, as PyTorch users do.
lengths = torch.tensor([LENGTH // 2 if number % 4 == 3 else LENGTH for number in range(SEQUENCES)])
real = torch.arange(LENGTH) >= LENGTH - lengths[:, None]
tokens = torch.randint(1, ITEMS + 1, (SEQUENCES, LENGTH)) * real
mask = torch.where(real, 0.0, -1e9)[:, None, None, :]
rows = torch.cat([
    number * LENGTH + LENGTH - 1 - torch.randperm(int(lengths[number]))[:MASKED] for number in range(SEQUENCES)
])
targets = tokens.reshape(-1)[rows]
tokens.view(-1)[rows] = ITEMS + 1

last = torch.arange(SEQUENCES) * LENGTH + LENGTH - 1


def time_steps(step):
    times = []
    for _ in range(steps + 3):
        began = time.perf_counter()
        step()
        times.append((time.perf_counter() - began) * 1e3)
    return sorted(times[3:])  # the first steps compile and warm up


for compiled in (False, True):
    for bfloat16 in (False, True):
        torch.manual_seed(0)
        model = Model()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
        call = torch.compile(model) if compiled else model
        seen = mask.to(torch.bfloat16) if bfloat16 else mask

        def train():
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                logits = call(tokens, seen, rows)
            F.cross_entropy(logits.float(), targets).backward()
            optimizer.step()

        def infer():
            with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                call(tokens, seen, last)

        for mode, step in (("train", train), ("infer", infer)):
            times = time_steps(step)
            print(json.dumps({
                "shape": shape,
                "mode": mode,
                "engine": f"torch {torch.__version__.split('+')[0]} {'compiled' if compiled else 'eager'}",
                "level": "bfloat16" if bfloat16 else "float32",
                "threads": threads,
                "dropout": 0.0,
                "median_ms": round(times[len(times) // 2], 1),
                "least_ms": round(times[0], 1),
            }), flush=True)
