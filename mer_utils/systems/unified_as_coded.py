"""The unified framework as its code of 2025 has it, 593fea0c: what is different from `unified`.

* The frames are even steps from onset to apex; LMKS is defined and never called.
* The pattern compares three code *numbers* and not 24 responses: seven values occur.
* A view mixes channel, time and landmark of the patches.
* The graph convolution reads the diagonal of the graph alone, which is overwritten by 1 before.
* The attention map is passed on instead of what it weighs.
* Biases before a BatchNorm, and a BatchNorm that is never used.
* The ViT's input is divided by 255 once more, to a constant.
* A softmax before the loss; no class weights.

7 619 718 parameters beside the body of ViT-L, of which 3 850 129 (the autoencoder) never learn.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import unified, unified_graph
from .inputs import CODED, Arrays
from .unified_graph import LANDMARKS, Blocks, eye

views_needed, files, loss = unified.views_needed, unified.files, unified.loss

HIGHEST = 986  # divisor of the code; 32 * 30 + 26 fits no number of responses


@dataclass(frozen=True)
class Config(unified.Config):
    """As described; the last choice of each field is the code's."""

    pattern: Literal["stldn", "difference", "codes"] = "stldn"
    layout: Literal["described", "scrambled"] = "described"
    graph: Literal["learned", "face", "identity", "diagonal"] = "learned"
    attention: Literal["weigh", "none", "map"] = "weigh"
    bias: bool = False  # True: before each BatchNorm, and one BatchNorm never used
    rescaled: bool = False  # True: the ViT's input divided by 255 once more
    probabilities: bool = False  # True: softmax before the cross-entropy


AS_CODED = {"mirror": False, "frames": "rise", "pattern": "codes", "stilled": False}
AS_CODED |= {"smoothing": 0.0, "layout": "scrambled", "graph": "diagonal", "reconstruction": 0.0}
AS_CODED |= {"attention": "map", "balanced": False, "probabilities": True, "rescaled": True}
AS_CODED |= {"bias": True}
ABLATIONS = dict(
    as_coded=(*CODED, AS_CODED | {"vit_dim": 1024, "vit_depth": 24, "vit_heads": 16}),
    as_coded_small_vit=(
        "all at once",
        "What does the published code do, with a ViT that a laptop can train?",
        AS_CODED,
    ),
)


def patterns(frames: np.ndarray, config: Config) -> np.ndarray:
    """(11, 128, 128) uint8 -> (9, 128, 128) float32: of three code numbers the extremes."""
    if config.pattern != "codes":
        return unified.patterns(frames, config)
    x = unified.responses(unified.grey(frames, config), config.smoothing)  # (11, 8, 128, 128)
    x = (8 * x.argmax(1) + x.argmin(1))[:, None]  # (11, 1, 128, 128) numbers 0..63
    return ((32 * unified.strongest(x) + unified.strongest(-x)) / HIGHEST).numpy()


features = partial(unified.features, patterns=patterns)


class Block(unified_graph.Block):
    """(B, C, T, V), graph (B, V, V) -> (B, width, ceil(T / stride), V)"""

    def __init__(self, channels, width, depth, stride, config):
        super().__init__(channels, width, depth, stride, config, config.bias)
        self.diagonal, self.map_alone = config.graph == "diagonal", config.attention == "map"
        if config.bias and config.attention != "none":
            self.dead = nn.BatchNorm2d(self.attention.squeeze[1].num_features)

    def forward(self, x, graph):
        if self.diagonal:  # 'nkctv,vv->nctv' reads the diagonal alone
            mixed = sum(self.graph.steps(x).chunk(3, dim=1))
            mixed = mixed * graph.diagonal(dim1=-2, dim2=-1)[:, None, None]
            x = F.relu(self.graph.norm(mixed) + self.graph.shortcut(x))
        else:
            x = self.graph(x, graph)
        x = self.time(x)
        return self.attention.weights(x) if self.map_alone else self.attention(x)


class Autoencoder(nn.Module):
    """(B, 49, T, V) -> graph (B, V, V), None: products summed over the batch, times zeros."""

    def __init__(self, config, block):
        super().__init__()
        self.encoder = Blocks(config.encoder, config.encoder_depth, config, block)
        self.bilinear = nn.Parameter(torch.zeros(LANDMARKS, LANDMARKS))

    def forward(self, x):
        ones, loops = x.new_ones(len(x), LANDMARKS, LANDMARKS), eye(x)
        hidden = self.encoder(x, ones)
        scores = torch.einsum("nctv,nctw->vw", hidden, hidden) @ self.bilinear
        return scores.expand_as(ones) * (1 - loops) + loops, None


class GraphStream(unified_graph.GraphStream):
    """patches (B, T * V, 7, 7) -> embedding (B, D), scores to reconstruct (B, V, V) or None."""

    def __init__(self, config):
        diagonal = config.graph == "diagonal"
        super().__init__(config, Block, Autoencoder if diagonal else unified_graph.Autoencoder)
        self.scrambled = config.layout == "scrambled"

    def nodes(self, patches):
        if not self.scrambled:
            return super().nodes(patches)
        return self.appearance(patches).reshape(len(patches), -1, self.maps, LANDMARKS)


def network(config: Config, n_classes: int, context: Arrays) -> nn.Module:
    """patches, maps -> what the loss takes for logits (B, n_classes)."""
    net = unified.Unified(config, n_classes, context, GraphStream)
    if config.probabilities:
        net.classify = nn.Sequential(net.classify, nn.Softmax(dim=1))
    if config.rescaled and config.streams != "graph":  # what a processor for 0..255 does to 0..1
        net.visual_stream.register_forward_pre_hook(lambda _, maps: maps[0] / 255)
    return net
