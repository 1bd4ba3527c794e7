"""The graph stream of the unified framework: a graph autoencoder and a facial graph network.

The encoder describes each of 51 landmarks, the decoder scores every pair by Z B Z' / sqrt(d), and
the facial graph network (STFGN, like EfficientGCN of Song et al., 2021) runs on the graph that a
sigmoid makes of the scores.  Shapes: batch B, channels C, frames T, landmarks V = 51.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .layers import convolution

LANDMARKS, PATCH = 51, 7

# Neighbours along each path; dlib's points 17..67, counted from 0.
PATHS = (
    (*range(5), *range(10, 14)),  # right brow, ridge of the nose
    (*range(9, 4, -1), 10),  # left brow to the root of the nose
    *(range(14, 19), (4, 5)),  # nostrils; between the brows
    *((*range(19, 25), 19), (*range(25, 31), 25)),  # right eye, left eye
    *((*range(31, 43), 31), (*range(43, 51), 43)),  # outer lip, inner lip
    *((0, 19), (2, 20), (4, 22), (5, 25), (7, 27), (9, 28)),  # brow and eye
    *((10, 22), (10, 25), (22, 14), (25, 18)),  # eye and nose
    *((13, 14), (13, 16), (13, 18)),  # tip and nostrils
    *((14, 31), (16, 34), (18, 37)),  # nostrils and outer lip
    *((31, 43), (34, 45), (37, 47), (40, 49)),  # outer and inner lip
)
EDGES = np.zeros((LANDMARKS, LANDMARKS), np.float32)  # 1 between neighbours on the face, no loops
for path in PATHS:
    EDGES[path[:-1], path[1:]] = EDGES[path[1:], path[:-1]] = 1


def eye(x: torch.Tensor) -> torch.Tensor:
    """(51, 51) identity of x's kind: the loop of each landmark to itself."""
    return torch.eye(LANDMARKS, dtype=x.dtype, device=x.device)


def normalise(graph: torch.Tensor) -> torch.Tensor:
    """D^-1/2 (A + I) D^-1/2 of graphs (..., 51, 51) without loops."""
    graph = graph + eye(graph)
    root = graph.sum(-1).rsqrt()
    return root.unsqueeze(-1) * graph * root.unsqueeze(-2)


class GraphConvolution(nn.Module):
    """(B, C, T, V) and graph (B, V, V) -> (B, width, T, V): walks of 0, 1 and 2 steps, summed."""

    def __init__(self, channels: int, width: int, bias: bool = False):
        super().__init__()
        self.steps = nn.Conv2d(channels, 3 * width, 1, bias=bias)
        self.norm = nn.BatchNorm2d(width)
        same = channels == width
        self.shortcut = nn.Identity() if same else convolution(channels, width, bias=bias)

    def forward(self, x, graph):
        near, once, twice = self.steps(x).chunk(3, dim=1)
        walked = (once.flatten(1, 2) + twice.flatten(1, 2) @ graph) @ graph  # (B, width * T, V)
        return F.relu(self.norm(near + walked.view_as(near)) + self.shortcut(x))


class TemporalConvolution(nn.Module):
    """(B, C, T, V) -> (B, C, ceil(T / stride), V): three frames of one landmark."""

    def __init__(self, channels: int, stride: int, bias: bool):
        super().__init__()
        self.body = convolution(channels, channels, (3, 1), (stride, 1), (1, 0), bias)
        self.shortcut = nn.Identity()
        if stride != 1:
            self.shortcut = convolution(channels, channels, 1, (stride, 1), bias=bias)

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


class LandmarkAttention(nn.Module):
    """(B, C, T, V) weighted by frame and by landmark: x sigmoid(f(time)) sigmoid(g(landmarks))."""

    def __init__(self, channels: int, reduction: int, bias: bool):
        super().__init__()
        inner = max(1, channels // reduction)
        self.squeeze = convolution(channels, inner, bias=bias).append(nn.Hardswish())
        self.time, self.landmark = nn.Conv2d(inner, channels, 1), nn.Conv2d(inner, channels, 1)

    def weights(self, x):
        """(B, C, T, V) in 0..1"""
        pooled = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).mT], dim=2)
        time, landmark = self.squeeze(pooled).split(x.shape[2:], dim=2)  # (B, inner, T or V, 1)
        return self.time(time).sigmoid() * self.landmark(landmark.mT).sigmoid()

    def forward(self, x):
        return x * self.weights(x)


class Block(nn.Module):
    """(B, C, T, V), graph (B, V, V) -> (B, width, ceil(T / stride), V)"""

    def __init__(self, channels, width, depth, stride, config, bias=False):
        super().__init__()
        self.graph = GraphConvolution(channels, width, bias)
        strides = (stride, *[1] * (depth - 1))
        self.time = nn.Sequential(*(TemporalConvolution(width, step, bias) for step in strides))
        self.attention = nn.Identity()
        if config.attention != "none":
            self.attention = LandmarkAttention(width, config.reduction, bias)

    def forward(self, x, graph):
        return self.attention(self.time(self.graph(x, graph)))


class Blocks(nn.ModuleList):
    """(B, 49, T, V), graph (B, V, V) -> (B, last width, ceil(T / 2), V): the last halves T."""

    def __init__(self, widths, depths, config, block):
        super().__init__()
        strides = (*[1] * (len(widths) - 1), 2)
        for sizes in zip((PATCH**2, *widths), widths, depths, strides, strict=False):
            self.append(block(*sizes, config))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="leaky_relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x, graph):
        for block in self:
            x = block(x, graph)
        return x


class Autoencoder(nn.Module):
    """(B, 49, T, V) -> the clip's own graph (B, V, V), and the scores it was made from."""

    def __init__(self, config, block):
        super().__init__()
        width = config.encoder[-1]
        self.encoder = Blocks(config.encoder, config.encoder_depth, config, block)
        self.bilinear = nn.Parameter(nn.init.xavier_uniform_(torch.empty(width, width)))
        self.register_buffer("face", normalise(torch.from_numpy(EDGES)), persistent=False)

    def forward(self, x):
        hidden = self.encoder(x, self.face.expand(len(x), -1, -1))
        nodes = F.layer_norm(hidden.mean(2).mT, hidden.shape[1:2])  # (B, V, width)
        scores = nodes @ self.bilinear @ nodes.mT / nodes.shape[-1] ** 0.5
        scores = (scores + scores.mT) / 2
        return normalise(scores.sigmoid() * (1 - eye(x))), scores


class GraphStream(nn.Module):
    """patches (B, T * V, 7, 7) -> embedding (B, D), scores of the graph (B, V, V) or None."""

    def __init__(self, config, block=Block, autoencoder=Autoencoder):
        super().__init__()
        self.maps = config.maps
        count = config.maps * LANDMARKS
        self.appearance = nn.Sequential(  # depthwise separable
            nn.Conv2d(count, count, 3, padding=1, groups=count, bias=False),
            nn.BatchNorm2d(count),
            nn.ReLU(),
            nn.Conv2d(count, count, 1, bias=False),
            nn.BatchNorm2d(count),
            nn.ReLU(),
        )
        fixed = {"face": torch.from_numpy(EDGES), "identity": torch.zeros(LANDMARKS, LANDMARKS)}
        self.autoencoder = None if config.graph in fixed else autoencoder(config, block)
        if config.graph in fixed:
            self.register_buffer("fixed", normalise(fixed[config.graph]), persistent=False)
        self.blocks = Blocks(config.network, config.network_depth, config, block)
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(config.network[-1], config.embedding)

    def nodes(self, patches):
        """(B, 49, T, V): the 49 codes of a landmark in a frame are its channels."""
        x = self.appearance(patches).flatten(2)  # (B, T * V, 49)
        return x.unflatten(1, (self.maps, LANDMARKS)).permute(0, 3, 1, 2).contiguous()

    def graph(self, x):
        """The graph (B, V, V) on which the network runs, and its scores or None."""
        if self.autoencoder is not None:
            return self.autoencoder(x)
        return self.fixed.expand(len(x), -1, -1), None

    def forward(self, patches):
        x = self.nodes(patches)
        graph, scores = self.graph(x)
        return self.project(self.dropout(self.blocks(x, graph).mean((2, 3)))), scores


def reconstruction_loss(scores: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of scores (B, V, V) with the face's graph; edges and others weigh alike."""
    edges, pairs = torch.from_numpy(EDGES).to(scores), 1 - eye(scores)
    weight = pairs * torch.where(edges > 0, 0.5 / edges.sum(), 0.5 / (pairs.sum() - edges.sum()))
    costs = F.binary_cross_entropy_with_logits(scores, edges.expand_as(scores), reduction="none")
    return (costs * weight).sum((1, 2)).mean()
