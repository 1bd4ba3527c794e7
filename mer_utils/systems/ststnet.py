"""STSTNet: three shallow convolutional streams over onset-to-apex optical flow.

Liong et al., "Shallow Triple Stream Three-dimensional CNN (STSTNet) for Micro-expression
Recognition", FG 2019; code christy1206/STSTNet.  1,683 parameters, as by its authors.

Followed: 28x28 (u, v, strain), streams of 3, 5 and 8 maps, Adam 5e-5, batch 256, 800 epochs.
The network is the published one.  Its three streams see the same input and meet only in the last
layer, so they are written as one convolution of 16 maps.

Input flow (B, 3, 28, 28); output (B, n_classes).
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch.nn.functional as F
from torch import nn

from .inputs import Arrays, Clips, Flow, ask, scaled_flow

TITLE = "STSTNet"
COLOUR, MARKER = "#d9822b", "o"
VIEWS = ("flow",)
CHANNELS_LAST = True  # in memory: its pooling and BatchNorm are 1.7 times as fast on a CPU

Channel = Literal["u", "v", "strain"]
CHANNELS = get_args(Channel)


@dataclass(frozen=True)
class Config:
    """Defaults are the published numbers."""

    flow: Flow = "auto"
    mirror: bool = True  # learn from mirror images too, and predict by the mean of both
    channels: tuple[Channel, ...] = CHANNELS  # flow maps the network sees
    widths: tuple[int, ...] = (3, 5, 8)  # maps of the three streams
    dropout: float = 0.5
    epochs: int = 800
    batch_size: int = 256
    learning_rate: float = 5e-5
    weight_decay: float = 0.0


SMALL = {"epochs": 60, "learning_rate": 1e-3, "batch_size": 64}
PUBLISHED = {"epochs": 800, "learning_rate": 5e-5, "batch_size": 256}
ABLATIONS = dict(
    no_strain=ask(
        "streams", "Does strain add anything to the flow it is computed from?", channels=("u", "v")
    ),
    one_stream=ask("streams", "Are three streams better than the widest alone?", widths=(8,)),
    published_schedule=ask(
        "schedule",
        "Is a short, fast training as good as the published one of 800 slow epochs?",
        **PUBLISHED,
    ),
)


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """flow (N, channels, 28, 28), each channel over a fixed constant."""
    flow = scaled_flow(views, config)
    return {"flow": flow[:, [CHANNELS.index(channel) for channel in config.channels]]}


class STSTNet(nn.Module):
    """flow (B, C, 28, 28) -> logits (B, n_classes)"""

    def __init__(self, config: Config, n_classes: int, context: Arrays):
        super().__init__()
        width = sum(config.widths)
        # every layer treats each map alone, so one convolution computes all three streams
        self.streams = nn.Sequential(
            nn.Conv2d(len(config.channels), width, 3, padding=2),  # (B, 16, 30, 30)
            nn.ReLU(),
            nn.BatchNorm2d(width),
            nn.MaxPool2d(3, stride=3, padding=1),  # (B, 16, 10, 10)
            nn.Dropout(config.dropout),
        )
        self.head = nn.Linear(width * 5 * 5, n_classes)

    def forward(self, flow):
        x = F.avg_pool2d(self.streams(flow), 2)  # (B, 16, 5, 5)
        return self.head(x.flatten(1))


network = STSTNet
