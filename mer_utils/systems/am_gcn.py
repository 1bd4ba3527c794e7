"""AM-GCN: attention carried from block to block, and a graph of action units.

"Enhanced Microexpression Recognition through Action Unit-Driven Graph Convolution and Stacked
Attention Mechanisms", submitted to The Visual Computer; text not public.  Read from its title, its
README and its code, ffjjfjfj/AM-GCN at 95d086ac (2025), which is MMNet (Li et al., IJCAI 2022,
muse1998/MMNet) with one line commented out.

The authors': four convolution blocks over apex minus onset, where each block's attention map is
multiplied by the one before it (continuous attention, "CA block"; by position the README's "AA
module"); a position branch (the "SA module"), which MMNet adds to the map and the code drops.

Ours: the code holds no graph at all.  A graph of action units (`am_gcn_parts`) lets distant regions
meet, for a cell of the last map sees 39 of 224 pixels; the authors' multi-label loss, which the
code never calls, teaches it.

Decided here:
* position multiplies the map, x (1 + p).  What follows is linear: an added p would give every class
  a bonus for the face and could not weight where something moves;
* the linear layer sees the mean of the map.  Given all cells (`flat`, as coded) it learns training
  clips by heart before the graph has learned anything;
* no random flips, turns or jittered key frames; frames are grey and aligned.

Inputs motion (B, 1 or 2, 224, 224), face (B, 1, 14, 14), pool (B, 6, 196); output (B, n_classes).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import nn

from ..errors import StudyError
from ..preprocessing import head, regions
from . import am_gcn_parts as parts
from .am_gcn_parts import NINE, cells
from .inputs import Arrays, Clips, ask
from .layers import convolution

TITLE = "AM-GCN"
COLOUR, MARKER = "#5d8a4e", "X"
VIEWS = ("frames", "landmarks")
targets, fit_context = parts.targets, parts.fit_context

GREY, SPREAD = 0.449, 0.226  # ImageNet's mean and standard deviation, channels averaged
BLUR, AROUND = 1.0, 3.0  # of the displacement; pixels: the blur, and what is around a pixel
FLAT = 0.1  # of the mean squared slope: added so that flat skin does not seem to move


@dataclass(frozen=True)
class Config:
    """Defaults are the numbers of the published script for three classes; ours are marked."""

    mirror: bool = True  # ours: learn from mirror images too, and predict by the mean of both
    size: int = 224  # pixels a side; the last map has ceil(size / 16) cells a side
    motion: Literal["difference", "displacement"] = "difference"  # ours: displacement
    channels: int = 3  # the grey picture is repeated; displacement has two of its own
    stem: int = 180  # maps of the first convolution
    widths: tuple[int, ...] = (128, 128, 256, 512)  # of the four blocks
    continuous: bool = True  # multiply each attention map by the one before it
    position: bool = True  # tell the last map where on the face each cell is
    fusion: Literal["sum", "product"] = "product"  # ours: times (1 + position); sum: as MMNet
    balance: bool = True  # ours: BatchNorm after four attentions, all below 1
    position_layers: int = 3
    heads: int = 4
    mlp_ratio: float = 2.0
    drop_path: float = 0.3  # of the last layer, rising from 0
    graph: Literal["action_units", "identity", "none"] = "action_units"  # ours; none: no units
    units: tuple[int, ...] = tuple(sorted(regions.UNITS))  # ours: the study's 19 FACS numbers
    node_dim: int = 40  # ours, as Lei et al.
    gcn_dims: tuple[int, ...] = (80, 160)  # ours, as Lei et al.
    unit_weight: float = 1.0  # ours: of the multi-label loss beside the cross-entropy
    epochs: int = 99
    batch_size: int = 24
    learning_rate: float = 8e-4
    weight_decay: float = 0.7
    rate_decay: float = 0.987  # factor on the learning rate after each epoch ...
    rate_decay_epochs: int = 50  # ... of the first so many

    def __post_init__(self):
        if self.motion == "displacement" and self.channels != 2:
            raise StudyError(
                f"am_gcn: channels={self.channels} cannot hold a displacement: "
                "set channels=2, or motion='difference'"
            )
        if unknown := sorted(set(self.units) - set(regions.UNITS)):
            choices = sorted(regions.UNITS)
            raise StudyError(f"am_gcn: units={unknown} move no region; choose from {choices}")


# Chosen on 157 synthetic clips: their 24 folds take two minutes of one core
SMALL = {"size": 48, "motion": "displacement", "channels": 2, "stem": 8, "widths": (8, 8, 16, 32)}
SMALL |= {"position_layers": 1, "gcn_dims": (40, 40), "epochs": 30, "learning_rate": 3e-3}
ABLATIONS = dict(
    no_graph=ask("graph", "Must action units exchange anything?", graph="identity"),
    no_units=ask("graph", "Do action units help at all?", graph="none"),
    no_unit_loss=ask("action units", "Must the nodes learn action units?", unit_weight=0.0),
    nine_units=ask("action units", "Are the nine units of Lei et al. enough?", units=NINE),
    no_position=ask("position", "Does the position branch help?", position=False),
    added_position=ask("fusion", "Is position better added, as in MMNet?", fusion="sum"),
    unbalanced=ask("balance", "What do four attentions below 1 cost?", balance=False),
    separate_attention=ask("attention", "Must attention be carried on?", continuous=False),
    plain_difference=ask(
        "all at once",
        "Must movement be read before the picture shrinks?",
        motion="difference",
        channels=1,
    ),
)


def views_needed(config: Config) -> tuple[str, ...]:
    """Landmarks place the nodes; without nodes the two frames are enough."""
    return ("frames",) if config.graph == "none" else VIEWS


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """Apex minus onset, the small onset, and where the six regions are on the last map."""
    frames = (views["frames"] / 255.0 - GREY) / SPREAD  # (N, 2, H, W)
    motion = frames[:, 1:] - frames[:, :1]
    if config.motion == "displacement":
        motion = np.stack([displacement(pair) for pair in frames])
    arrays = {"motion": resized(motion, config.size)}  # (N, 1 or 2, size, size)
    if config.position:
        arrays["face"] = resized(frames[:, :1], cells(config))  # (N, 1, cells, cells)
    if config.graph != "none":
        arrays["pool"] = parts.region_pools(views["landmarks"], cells(config))  # (N, 6, cells^2)
    return arrays


def displacement(pair: np.ndarray) -> np.ndarray:
    """(2, H, W) -> (2, H, W) pixels to the right and down, after head and light.

    Around every pixel the movement that, times the slope of the onset, explains the difference best
    by least squares: one step of Lucas and Kanade.
    """
    change = head.without_head(gaussian_filter(pair, (0, BLUR, BLUR)))[1]
    down, right = np.gradient(gaussian_filter(pair[0], BLUR))
    products = (right**2, right * down, down**2, right * change, down * change)
    xx, xy, yy, xt, yt = (gaussian_filter(product, AROUND) for product in products)
    flat = FLAT * (xx + yy).mean()
    xx, yy = xx + flat, yy + flat
    return np.stack([xy * yt - yy * xt, xy * xt - xx * yt]) / (xx * yy - xy**2)


def resized(pictures: np.ndarray, size: int) -> np.ndarray:
    """(N, C, H, W) -> (N, C, size, size) float32"""
    x = torch.from_numpy(pictures).float()
    return F.interpolate(x, (size, size), mode="bilinear", antialias=True).numpy()


class CABlock(nn.Module):
    """(B, C, h, w) and the map before -> (B, width, h', w') times its attention, and the map."""

    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        self.body = convolution(channels, width, 3, stride).append(nn.ReLU())
        self.body.extend(convolution(width, width))
        same = stride == 1 and channels == width
        self.shortcut = nn.Identity() if same else convolution(channels, width, 1, stride)
        self.attention = convolution(2, 1).append(nn.Sigmoid())

    def forward(self, x, carried):
        x = F.relu(self.body(x) + self.shortcut(x))  # (B, width, h', w')
        both = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        attention = self.attention(both)  # (B, 1, h', w')
        if carried is not None:
            attention = attention * carried
        return x * attention, attention


class AMGCN(nn.Module):
    """motion, face, pool -> logits (B, n_classes); while training also the units' scores."""

    def __init__(self, config: Config, n_classes: int, context: Arrays):
        super().__init__()
        self.config, widths = config, config.widths
        self.stem = convolution(config.channels, config.stem, 3, stride=2).append(nn.ReLU())
        self.widen = convolution(config.stem, widths[0], 3).append(nn.ReLU())
        self.blocks = nn.ModuleList([CABlock(widths[0], widths[0], stride=1)])
        self.blocks.extend(CABlock(*pair, stride=2) for pair in pairwise(widths))
        for module in (*self.widen.modules(), *self.blocks.modules()):
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.balance = nn.BatchNorm2d(widths[-1]) if config.balance else nn.Identity()
        self.position = parts.Position(config) if config.position else None
        if config.graph != "none":
            self.units = parts.UnitGraph(config, context["unit_graph"])
        self.head = self.make_head(n_classes)
        if config.graph != "none":
            self.unit_head = nn.Linear(config.gcn_dims[-1], n_classes, bias=False)

    def make_head(self, n_classes: int) -> nn.Linear:
        return nn.Linear(self.config.widths[-1], n_classes)

    def trunk(self, motion):
        """(B, 1 or 2, size, size) -> last map (B, dim, cells, cells), attention of each block."""
        x = self.widen(self.stem(motion.expand(-1, self.config.channels, -1, -1)))
        carried, maps = None, []
        for block in self.blocks:
            x, attention = block(x, carried if self.config.continuous else None)
            carried = F.max_pool2d(attention, 3, 2, padding=1)
            maps.append(attention)
        return x, maps

    def locate(self, x, face):
        """Last map and onset (B, 1, cells, cells) -> the map, balanced and weighted by place."""
        x = self.balance(x)
        if self.position is None:
            return x
        position = self.position(face.expand(-1, self.config.channels, -1, -1))
        return x * (1 + position) if self.config.fusion == "product" else x + position

    def classify(self, x):
        """Last map (B, dim, cells, cells) -> logits (B, n_classes)"""
        return self.head(x.mean((2, 3)))

    def forward(self, motion, face=None, pool=None):
        x = self.locate(self.trunk(motion)[0], face)  # (B, dim, cells, cells)
        logits = self.classify(x)
        if self.config.graph == "none":
            return logits
        readout, scores = self.units(x, pool)
        logits = logits + self.unit_head(readout)
        return (logits, scores) if self.training else logits


network = AMGCN


def loss(config: Config, class_counts: np.ndarray):
    """Cross-entropy, plus the multi-label loss on the action units of the training clips."""

    def criterion(output, labels, action_units):
        if config.graph == "none":
            return F.cross_entropy(output, labels)
        logits, scores = output
        of_units = parts.multi_label_loss(scores, action_units)
        return F.cross_entropy(logits, labels) + config.unit_weight * of_units

    return criterion


def optimizer(config: Config, parameters) -> torch.optim.Optimizer:
    """AdamW, as coded; `foreach` takes the same steps with fewer calls."""
    return torch.optim.AdamW(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, foreach=True
    )


def rate(config: Config, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1: falls for the first 50, as coded."""
    return config.learning_rate * config.rate_decay ** min(epoch - 1, config.rate_decay_epochs)
