"""Dual-branch 3D-CNN: two convolutions over the clip, a GRU, attention heads of many widths.

Fang, Liu, Liu, "Enhanced feature extraction and attention mechanisms for micro-expression
recognition", IEEE MLSP 2024, code dannyFan-0201/MLSP_2024 at 0e448003; and its sibling with a
second input, "Micro-expression recognition using dual-branch 3DCNN network with novel attention
mechanism", code of the same author at 98b866db.  Read from both codes.

Followed: two branches and a convolution over both, the "new" channel attention, spatial attention,
dense layers for each step, GRU, eight heads (MSMH), L2 on four layers; Keras's padding and start.

Decided here:
* no pooling in time: the code's leaves 2 of 10 steps, each of which has seen all 10 frames, so that
  GRU and heads have next to nothing to order or to choose from;
* branch 2 sees brows and eyes over the mouth, cut out around landmarks.  The sibling crops by the
  clip's annotated action units, of test clips too; the first paper gives both branches the face;
* a clip is normalised by its own mean and maximum, not by those of all clips;
* one map of spatial attention, after the channels', as in CBAM and in the paper's figure;
* 10 even steps from onset to offset, aligned and grey, not the first 10 colour frames of a file.

Inputs face, regions (B, T, size, size), values about -1..1; output (B, n_classes).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..errors import StudyError
from ..preprocessing import head
from ..preprocessing.regions import GRID
from . import dual_branch_3dcnn_parts as parts
from .inputs import Arrays, Clips, ask

TITLE = "Dual-branch 3D-CNN"
COLOUR, MARKER = "#2a8c8c", "<"
VIEWS = ("video", "landmarks")


@dataclass(frozen=True)
class Config:
    """Defaults are the numbers of the published scripts; ours are marked."""

    mirror: bool = True  # ours: learn from mirror images too, and predict by the mean of both
    frames: int = 10  # of view `video`, at even steps
    size: int = 128  # pixels a side, of either picture
    shown: Literal["frames", "difference"] = "frames"  # ours: minus the first, less head and light
    second: Literal["regions", "face"] = "regions"  # what branch 2 sees; face: the same as branch 1
    maps: int = 32  # of each branch, and of the convolution over both
    kernels: tuple[int, ...] = (5, 3)  # pixels, of branch 1 and 2; after them always 3
    time_kernels: tuple[int, ...] = (5, 3, 3)  # frames: branch 1, branch 2, all after them
    channel_attention: Literal["difference", "sum", "none"] = "difference"  # of max and mean
    reduction: int = 8  # of its hidden layers
    dense: tuple[int, ...] = (128, 64)  # layers of each step alone
    dropout: float = 0.3  # before each of them
    penalty: float = 0.01  # L2 on their weights, and on the first of each channel MLP
    recurrent: bool = True  # GRU; without, the heads see the steps as they are
    width: int = 512  # of the GRU
    attention: Literal["msmh", "pooling", "mean"] = "msmh"  # over steps; pooling: one learned query
    scales: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128, 256)  # a head's width is width / scale
    head: tuple[int, ...] = (128, 64)  # layers before the classes
    weighting: Literal["paper", "inverse", "none"] = "paper"  # ours: inverse, by frequency
    class_weights: tuple[float, ...] = (0.30, 0.35, 0.35)  # negative, positive, surprise
    epochs: int = 200
    batch_size: int = 8
    learning_rate: float = 1e-3
    rate_decay: float = 0.9  # factor on the learning rate ...
    rate_decay_epochs: int = 40  # ... after so many epochs, again and again
    weight_decay: float = 0.0

    def __post_init__(self):
        if self.width < max(self.scales):
            raise StudyError(
                f"dual_branch_3dcnn: width={self.width} is below the largest of "
                f"scales={self.scales}: choose smaller scales"
            )


# Chosen on 157 synthetic clips: their 24 folds take two minutes of one core
SMALL = {"frames": 6, "size": 36, "shown": "difference", "maps": 8, "reduction": 4}
SMALL |= {"dense": (32, 16), "penalty": 0.001, "width": 32, "scales": (2, 4, 8, 16), "head": (16,)}
SMALL |= {"weighting": "inverse", "epochs": 12}
ABLATIONS = dict(
    cam_sum=ask(
        "channel attention",
        "Is the difference of the two channel MLPs better than their sum?",
        channel_attention="sum",
    ),
    cam_none=ask(
        "channel attention", "Does channel attention help at all?", channel_attention="none"
    ),
    no_gru=ask("order in time", "Does the order of the steps matter?", recurrent=False),
    no_msmh=ask("MSMH", "Are eight heads better than a mean?", attention="mean"),
    attention_pooling=ask("MSMH", "Are eight heads better than one?", attention="pooling"),
    same_input=ask("streams", "Does branch 2 need its own picture?", second="face"),
    equal_weights=ask("class weights", "Do class weights help?", weighting="none"),
)


FACE = 128  # pixels a side of the aligned face
CHANGE = 1 / 30  # of the clip's contrast: what a movement of a pixel does to the grey around it
STRIPS = (  # points of dlib's 68, and how much wider than them the strip is
    ((*range(17, 27), *range(36, 48)), 1.15),  # brows and eyes
    (range(48, 68), 1.5),  # mouth, with room for its corners
)


def views_needed(config: Config) -> tuple[str, ...]:
    """Landmarks are needed for the second picture alone."""
    return VIEWS if config.second == "regions" else ("video",)


def features(views: Arrays, clips: Clips, config: Config) -> Arrays:
    """What either branch sees, (N, T, size, size) float32; StudyError for too many frames."""
    offered = views["video"].shape[1]
    if not 1 <= config.frames <= offered:
        raise StudyError(
            f"dual_branch_3dcnn: frames={config.frames} cannot be taken from a video of {offered}; "
            f"choose 1 to {offered}"
        )
    steps = np.rint(np.linspace(0, offered - 1, config.frames)).astype(int)
    arrays = {"face": [], "regions": []}
    for clip, video in enumerate(views["video"]):
        video = torch.from_numpy(video[steps]).float()
        if config.shown == "difference":
            video = movement(video)
        arrays["face"].append(scaled(video, config))
        if config.second == "regions":
            arrays["regions"].append(scaled(regions(video, views["landmarks"][clip]), config))
    return {name: np.stack(pictures) for name, pictures in arrays.items() if pictures}


def regions(video: torch.Tensor, landmarks: np.ndarray) -> torch.Tensor:
    """(T, 128, 128) and (68, 2) -> (T, 128, 128): brows and eyes above, mouth below.

    Both strips are twice as wide as high and centred on their landmarks; no label, no action unit.
    """
    strips = []
    for points, room in STRIPS:
        place = landmarks[list(points)] * (FACE / GRID)  # pixels
        low, high = place.min(axis=0), place.max(axis=0)
        half = np.array([1.0, 0.5]) * room * max(np.max(high - low), 1.0) / 2
        centre = (low + high) / FACE - 1  # of -1..1 from edge to edge
        columns = torch.linspace(-1, 1, FACE) * (2 * half[0] / FACE) + centre[0]
        rows = torch.linspace(-1, 1, FACE // 2) * (2 * half[1] / FACE) + centre[1]
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).float()
        sampled = F.grid_sample(video[None], grid[None], padding_mode="border", align_corners=False)
        strips.append(sampled[0])
    return torch.cat(strips, dim=1)


def movement(video: torch.Tensor) -> torch.Tensor:
    """(T, 128, 128) grey -> each frame minus the first, less head and light, in units of CHANGE."""
    video = F.avg_pool2d(F.pad(video, (1, 1, 1, 1), mode="replicate"), 3, 1)
    left = torch.from_numpy(head.without_head(video.numpy()))
    return left / (CHANGE * video[0].std().clamp(min=1.0))


def scaled(video: torch.Tensor, config: Config) -> np.ndarray:
    """(T, 128, 128) -> (T, size, size); grey values by the clip's own mean and maximum."""
    size = (config.size, config.size)
    video = F.interpolate(video[None], size, mode="bilinear", antialias=True)[0]
    if config.shown == "frames":
        video = video - video.mean()
        video = video / video.max().clamp(min=1.0)
    return video.numpy()


class DualBranch(nn.Module):
    """face, regions -> logits (B, n_classes); while training also the L2 term of the loss."""

    def __init__(self, config: Config, n_classes: int, context: Arrays, channels=1, spatial_maps=1):
        super().__init__()
        self.config = config
        *times, after = config.time_kernels
        self.branches = nn.ModuleList(
            parts.Block(channels, config.maps, *sizes)
            for sizes in zip(times, config.kernels, strict=True)
        )
        self.both = parts.Block(2 * config.maps, config.maps, after, 3)
        attends = config.channel_attention != "none"
        self.channel_attention = parts.ChannelAttention(config) if attends else None
        self.spatial_attention = parts.SpatialAttention(after, spatial_maps)
        sizes = (config.maps * (-(-config.size // 9)) ** 2, *config.dense)
        self.dense = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.gru, width = None, sizes[-1]
        if config.recurrent:
            self.gru, width = nn.GRU(width, config.width, batch_first=True), config.width
        over_steps = parts.MultiScaleMultiHead if config.attention == "msmh" else parts.Pooling
        self.attention = over_steps(width, config)
        sizes = (self.attention.width, *config.head)
        self.head = nn.Sequential()
        for pair in pairwise(sizes):
            self.head.extend([nn.Linear(*pair), nn.LeakyReLU(parts.SLOPE)])
        self.head.append(nn.Linear(sizes[-1], n_classes))
        parts.initialise(self)

    def convolve(self, face, regions=None):
        """Pictures (B, T, size, size) -> (B, maps, T, size / 9, size / 9)"""
        pictures = (face, face if regions is None else regions)
        channels = self.branches[0].convolution.in_channels
        maps = [
            branch(picture[:, None].expand(-1, channels, -1, -1, -1))
            for branch, picture in zip(self.branches, pictures, strict=True)
        ]  # (B, maps, T, size / 3, size / 3) each
        return self.both(torch.cat(maps, dim=1))

    def attend(self, x):
        """(B, maps, T, h, w) -> the same, channels and then places weighted."""
        if self.channel_attention is not None:
            x = x * self.channel_attention(x)
        return x * self.spatial_attention(x)

    def steps(self, face, regions=None):
        """(B, T, width): what GRU or, without it, the dense layers say of each step."""
        x = self.attend(self.convolve(face, regions))
        x = x.transpose(1, 2).flatten(2)  # (B, T, maps * cells)
        for layer in self.dense:
            x = F.leaky_relu(layer(F.dropout(x, self.config.dropout, self.training)), parts.SLOPE)
        return x if self.gru is None else self.gru(x)[0]

    def forward(self, face, regions=None):
        logits = self.head(self.attention(self.steps(face, regions)))
        return (logits, self.penalty()) if self.training else logits

    def penalty(self):
        """L2 of the layers that the code gives one."""
        attention, layers = self.channel_attention, [*self.dense]
        if attention is not None:
            layers += [attention.of_mean[0], attention.of_maximum[0]]
        return self.config.penalty * sum(layer.weight.square().sum() for layer in layers)


network = DualBranch


def loss(config: Config, class_counts: np.ndarray):
    """Weighted cross-entropy, not divided by the sum of weights, plus the L2 term, as coded.

    Raises StudyError where the paper's weights are asked for and there are other classes.
    """
    weights = torch.ones(len(class_counts))
    if config.weighting == "inverse":
        counts = torch.as_tensor(class_counts).clamp(min=1)
        weights = counts.sum() / (len(counts) * counts)
    elif config.weighting == "paper":
        weights = torch.tensor(config.class_weights)
        if len(weights) != len(class_counts):
            raise StudyError(
                f"dual_branch_3dcnn: class_weights={config.class_weights} are of {len(weights)} "
                f"classes, but here are {len(class_counts)}: "
                "set weighting=inverse or none, or one weight per class"
            )

    def criterion(output, labels):
        logits, penalty = output
        costs = F.cross_entropy(logits, labels, weights.to(logits), reduction="none")
        return costs.mean() + penalty

    return criterion


def rate(config: Config, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1: a tenth less every 40, as coded."""
    return config.learning_rate * config.rate_decay ** ((epoch - 1) // config.rate_decay_epochs)
