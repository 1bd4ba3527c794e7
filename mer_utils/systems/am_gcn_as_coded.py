"""AM-GCN as its code has it, 95d086ac: what is different from `am_gcn`.

No position branch and no graph; one linear layer on all cells of the last map, with five outputs
for three classes, of which only the classes are predicted here.  Position branch, layer for action
units and time embedding are built and never used: of 9 974 531 parameters 3 030 649 get a gradient.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from . import am_gcn
from .am_gcn_parts import Position, cells
from .inputs import CODED, Arrays, ask

views_needed, features = am_gcn.views_needed, am_gcn.features
targets, fit_context = am_gcn.targets, am_gcn.fit_context
loss, optimizer, rate = am_gcn.loss, am_gcn.optimizer, am_gcn.rate


@dataclass(frozen=True)
class Config(am_gcn.Config):
    """As described, and what the code does instead."""

    head: Literal["pooled", "flat"] = "pooled"  # flat: one linear layer on all cells
    outputs: int = 0  # of that layer; 0: one per class
    dead_parts: bool = False  # True: build what the code builds and never uses


AS_CODED = {"mirror": False, "motion": "difference", "channels": 3, "position": False}
AS_CODED |= {"balance": False, "graph": "none", "head": "flat", "outputs": 5, "dead_parts": True}
ABLATIONS = dict(
    as_coded=(*CODED, AS_CODED),
    flat=ask("pooling", "Is the mean of the map enough?", head="flat"),
)


class AMGCN(am_gcn.AMGCN):
    """motion, face, pool -> logits (B, n_classes); while training (B, outputs)."""

    def __init__(self, config: Config, n_classes: int, context: Arrays):
        super().__init__(config, n_classes, context)
        self.n_classes = n_classes
        if config.dead_parts:
            self.dead = dead_parts(config)

    def make_head(self, n_classes: int) -> nn.Linear:
        count = cells(self.config) ** 2 if self.config.head == "flat" else 1
        return nn.Linear(self.config.widths[-1] * count, max(self.config.outputs, n_classes))

    def classify(self, x):
        logits = self.head(x.flatten(1) if self.config.head == "flat" else x.mean((2, 3)))
        return logits if self.training else logits[:, : self.n_classes]


def dead_parts(config: Config) -> nn.ModuleDict:
    """What the published network builds, counts and never uses."""
    dim, half = config.widths[-1], config.size // 2
    branch = Position(config)
    branch.class_token = nn.Parameter(torch.zeros(1, 1, dim))
    branch.head, branch.mask = nn.Linear(dim, 5), nn.Linear(dim, 1)
    place = nn.Sequential(nn.Conv2d(config.channels, dim, 1, bias=False), nn.BatchNorm2d(dim))
    unit_head, time = nn.Linear(half**2, 38, bias=False), nn.Module()
    time.embedding = nn.Parameter(torch.zeros(1, 4, half - 1, half - 1))
    return nn.ModuleDict({"position": branch, "place": place, "unit_head": unit_head, "time": time})


network = AMGCN
