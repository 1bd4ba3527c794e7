"""What several networks are made of, and a way to read what is inside one."""

from collections.abc import Sequence

import torch
from torch import nn


def convolution(channels, width, kernel=1, stride=1, padding=None, bias=False) -> nn.Sequential:
    """(B, channels, h, w) -> (B, width, h', w') normalised; padding: None is half the kernel."""
    padding = kernel // 2 if padding is None else padding
    layer = nn.Conv2d(channels, width, kernel, stride, padding, bias=bias)
    return nn.Sequential(layer, nn.BatchNorm2d(width))


def encoder_layer(attention: nn.Module, dim: int, hidden: int, dropout: float) -> nn.ModuleList:
    """Norm, attention and MLP of a pre-norm transformer; the MLP sees each token alone."""
    mlp = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout))
    mlp.extend([nn.Linear(hidden, dim), nn.Dropout(dropout)])
    return nn.ModuleList([nn.LayerNorm(dim), attention, mlp])


def shortest_paths(lengths: torch.Tensor) -> torch.Tensor:
    """(..., n, n) edge lengths -> all-pairs shortest paths: Floyd-Warshall, a batch at once."""
    count = lengths.shape[-1]
    paths = lengths * (1 - torch.eye(count, dtype=lengths.dtype, device=lengths.device))
    for via in range(count):
        paths = torch.minimum(paths, paths[..., :, via, None] + paths[..., None, via, :])
    return paths


def normalise(graph: torch.Tensor) -> torch.Tensor:
    """D^-1/2 A D^-1/2 over (..., n, n)."""
    root = graph.sum(-1).sqrt()
    return graph / (root[..., :, None] * root[..., None, :])


def outputs_of(net: nn.Module, modules: Sequence[nn.Module], **inputs) -> list[torch.Tensor]:
    """The outputs of modules inside a network in one forward pass, without dropout or gradient."""
    outputs, training = [], net.training
    hooks = [part.register_forward_hook(lambda _, __, out: outputs.append(out)) for part in modules]
    try:
        with torch.no_grad():
            net.eval()(**inputs)
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    return outputs
