"""RCN-A: a recurrent convolution on small inputs, with attention that costs no parameter.

Xia, Peng, Khor, Feng, Zhao, "Revealing the invisible with model and data shrinking for
composite-database micro-expression recognition", IEEE TIP 29, 2020 (arXiv 2006.09674).
Read from its code, xiazhaoqiang/ParameterFreeRCNs-MicroExpressionRec at 0c516cb6.

Followed: 5x5 convolution, one recurrent block (a 1x1 convolution, then one 3x3 convolution used
twice, each time on its last output plus the block's input), pooling to 7x7, one linear layer.
Attention: the weights of that layer, class by class, times the pooled first map, averaged over
channels and stretched to 0..1, then averaged over classes (model version 3, the code's default).
SGD with momentum 0.9 at 5e-4, halved every 10 epochs, so that the last 50 of 100 move almost
nothing; batch 64, 64 maps, normal initial weights: the defaults of ModelTrain_Final.py.  Its
README's example has 32 maps, 5x5 pooling and 20 epochs (`readme`).

Ours: a map without spread is divided by a small constant, where the code has 0/0.  The input size
is not in the code; 7x7 cells after two poolings and a 5x5 convolution come from 60x60.

Input (B, 3, 60, 60), output (B, n_classes).
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .inputs import Arrays, Clips, Flow, ask, scaled_flow
from .layers import convolution

TITLE = "RCN-A"
COLOUR, MARKER = "#b5651d", "P"
VIEWS = ("flow",)
CHANNELS_LAST = True  # a step of the small preset on one core takes 0.75 of the time


@dataclass(frozen=True)
class Config:
    """Defaults are those of the published training script."""

    flow: Flow = "auto"
    mirror: bool = True  # learn from mirror images too, and predict by the mean of both
    size: int = 60  # pixels a side
    maps: int = 64
    steps: int = 2  # times the 3x3 convolution is used in a row
    pool: int = 7  # cells a side of the last map
    attention: bool = True  # RCN-A; without it the plain RCN
    dropout: float = 0.5
    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 5e-4
    momentum: float = 0.9
    rate_halving: int = 10  # epochs after which the learning rate is halved; 0: never
    weight_decay: float = 0.0


SMALL = {"size": 28, "maps": 16, "pool": 6, "epochs": 40, "batch_size": 32}
SMALL |= {"learning_rate": 2e-2, "rate_halving": 0}
ABLATIONS = dict(
    readme=ask(
        "all at once",
        "What does the README's example give, not the script's defaults?",
        maps=32,
        pool=5,
        epochs=20,
    ),
    no_attention=ask("attention", "Does the parameter-free attention help?", attention=False),
    no_recurrence=ask("recurrence", "Is using a convolution twice better than once?", steps=1),
    no_halving=ask("schedule", "Does the published rate stop too early?", rate_halving=0),
)


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """u, v, strain over fixed constants, (N, 3, 28, 28); the network enlarges them."""
    return {"flow": scaled_flow(views, config, kind=np.float64).astype(np.float32)}


class RCN(nn.Module):
    """flow (B, 3, 28, 28) -> logits (B, n_classes)"""

    def __init__(self, config: Config, n_classes: int, context: Arrays):
        super().__init__()
        self.config, maps = config, config.maps
        self.first = convolution(3, maps, 5, padding=0, bias=True).append(nn.ReLU())
        self.forward_convolution = convolution(maps, maps, bias=True).append(nn.ReLU())
        self.recurrent_convolution = convolution(maps, maps, 3, bias=True).append(nn.ReLU())
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(maps * config.pool**2, n_classes)
        for layer, *_ in (self.first, self.forward_convolution, self.recurrent_convolution):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.head.weight, 0, 0.01)
        nn.init.zeros_(self.head.bias)

    def attend(self, x):
        """Pooled first map (B, maps, pool, pool) -> (B, 1, pool, pool), 0..1, mean of classes."""
        weights = self.head.weight.view(-1, *x.shape[1:])  # (C, maps, pool, pool)
        maps = (weights * x[:, None]).mean(2)  # (B, C, pool, pool)
        maps = maps - maps.amin((2, 3), keepdim=True)
        maps = maps / maps.amax((2, 3), keepdim=True).clamp(min=1e-12)
        return maps.mean(1, keepdim=True)

    def forward(self, flow):
        size, pool = self.config.size, self.config.pool
        if flow.shape[-1] != size:
            flow = F.interpolate(flow, (size, size), mode="bilinear", align_corners=False)
        x = self.dropout(F.max_pool2d(self.first(flow), 2))  # (B, maps, 28, 28) from 60
        attention = self.attend(F.adaptive_avg_pool2d(x, pool)) if self.config.attention else 1.0
        y = self.forward_convolution(x)
        for _ in range(self.config.steps):
            y = self.recurrent_convolution(x + y)
        y = self.dropout(F.max_pool2d(y, 2))  # (B, maps, 14, 14)
        y = F.adaptive_avg_pool2d(y, pool) * attention  # (B, maps, 7, 7)
        return self.head(y.flatten(1))


network = RCN


def optimizer(config: Config, parameters) -> torch.optim.Optimizer:
    """SGD with momentum, as coded."""
    rates = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    return torch.optim.SGD(parameters, momentum=config.momentum, **rates)


def rate(config: Config, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1: halved every 10 epochs, as coded."""
    halvings = (epoch - 1) // config.rate_halving if config.rate_halving else 0
    return config.learning_rate * 0.5**halvings
