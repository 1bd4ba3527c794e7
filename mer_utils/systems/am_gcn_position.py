"""AM-GCN's position branch: a transformer over the small onset, one token per cell of the last map.

It never sees the apex, and so knows no movement, only the face on which it happens.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def cells(config) -> int:
    """Cells a side of the last map: four times halved, rounded up."""
    return -(-config.size // 16)


class Layer(nn.Module):
    """Pre-norm attention and MLP, whole paths dropped at random; (B, T, dim) -> (B, T, dim)."""

    def __init__(self, dim: int, heads: int, ratio: float, drop: float):
        super().__init__()
        self.heads, self.drop, hidden = heads, drop, int(dim * ratio)
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def attend(self, x):
        batch, tokens, dim = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) * (dim // self.heads) ** -0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, tokens, dim))

    def keep(self, x):
        return F.dropout(torch.ones_like(x[:, :1, :1]), self.drop, self.training)  # one per clip

    def forward(self, x):
        x = x + self.keep(x) * self.attend(self.norm1(x))
        return x + self.keep(x) * self.mlp(self.norm2(x))


class Position(nn.Module):
    """(B, C, cells, cells) small onset -> (B, dim, cells, cells): where each cell is."""

    def __init__(self, config):
        super().__init__()
        dim, layers = config.widths[-1], config.position_layers
        self.patch = nn.Conv2d(config.channels, dim, 1)
        self.places = nn.Parameter(torch.empty(1, cells(config) ** 2, dim))
        self.layers = nn.ModuleList(
            Layer(dim, config.heads, config.mlp_ratio, drop)
            for drop in np.linspace(0, config.drop_path, layers).tolist()
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        nn.init.trunc_normal_(self.places, std=0.02)
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, face):
        x = self.patch(face).flatten(2).transpose(1, 2) + self.places  # (B, cells^2, dim)
        for layer in self.layers:
            x = layer(x)
        return self.norm(x).transpose(1, 2).unflatten(2, face.shape[2:])
