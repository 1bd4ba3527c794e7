"""OFF-ApexNet: two shallow streams, one for each direction of the onset-to-apex flow.

Gan, Liong, Yau, Huang, Tan, "OFF-ApexNet on micro-expression recognition system", Signal
Processing: Image Communication 74, 2019 (arXiv 1805.08699).  The authors' code is not public.

Followed: u and v, 28x28, each through 5x5 convolution to 6 maps, pooling, 5x5 convolution to 16
maps, pooling; both streams joined, two layers of 1024, softmax.  The 2 664 475 parameters are the
2.66 M of the restatement ECNU-Cross-Innovation-Lab/mini-AORCNN.  Taken from it, as the paper does
not say it: max pooling, dropout of 0.5 after both layers of 1024, padding.  Ours: ReLU after the
convolutions, and the schedule of the same authors' next paper (STSTNet), Adam at 5e-5, 500 epochs.

Input (B, 2, 28, 28), output (B, n_classes).
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from .inputs import Arrays, Clips, Flow, ask, scaled_flow

TITLE = "OFF-ApexNet"
COLOUR, MARKER = "#e8a764", "D"
VIEWS = ("flow",)
CHANNELS_LAST = True  # a step of the small preset on one core takes 0.83 of the time


@dataclass(frozen=True)
class Config:
    """Defaults are the paper's sizes; the schedule is STSTNet's."""

    flow: Flow = "auto"
    mirror: bool = True  # learn from mirror images too, and predict by the mean of both
    maps: tuple[int, ...] = (6, 16)  # of the two convolutions of a stream
    kernel: int = 5
    hidden: tuple[int, ...] = (1024, 1024)  # widths of the joined layers
    dropout: float = 0.5
    shared: bool = False  # one stream for both directions
    epochs: int = 500
    batch_size: int = 256
    learning_rate: float = 5e-5
    weight_decay: float = 0.0


SMALL = {"hidden": (128, 128), "epochs": 40, "batch_size": 32, "learning_rate": 1e-3}
ABLATIONS = dict(
    shared=ask("streams", "Does each direction need a stream of its own?", shared=True),
    narrow=ask("width", "Are two layers of 1024 needed?", hidden=(128, 128)),
)


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """u and v over a fixed constant, (N, 2, 28, 28)."""
    return {"flow": scaled_flow(views, config)[:, :2].copy()}


class OFFApexNet(nn.Module):
    """flow (B, 2, 28, 28) -> logits (B, n_classes)"""

    def __init__(self, config: Config, n_classes: int, context: Arrays):
        super().__init__()
        self.streams = nn.ModuleList(self.stream(config) for _ in range(1 if config.shared else 2))
        side = 28 // 2 ** len(config.maps)
        widths = (2 * side**2 * config.maps[-1], *config.hidden)
        self.joined = nn.ModuleList(nn.Linear(*sizes) for sizes in pairwise(widths))
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(widths[-1], n_classes)

    def stream(self, config: Config) -> nn.Sequential:
        """(B, 1, 28, 28) -> (B, maps[-1] * 7 * 7)"""
        layers = []
        for before, maps in pairwise((1, *config.maps)):  # (B, 6, 14, 14), then (B, 16, 7, 7)
            convolution = nn.Conv2d(before, maps, config.kernel, padding=config.kernel // 2)
            layers += [convolution, nn.ReLU(), nn.MaxPool2d(2)]
        return nn.Sequential(*layers, nn.Flatten())

    def forward(self, flow):
        streams = self.streams if len(self.streams) == 2 else [*self.streams] * 2
        x = torch.cat([stream(flow[:, i : i + 1]) for i, stream in enumerate(streams)], dim=1)
        for layer in self.joined:  # (B, 1568) -> (B, 1024) -> (B, 1024)
            x = self.dropout(F.relu(layer(x)))
        return self.head(x)


network = OFFApexNet
